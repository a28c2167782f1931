# shellcheck shell=bash
# `source tools/env.sh`, in bash or zsh, from any folder: `pulumi` typed by hand then works on this checkout.
# Every make target reads it too (BASH_ENV), so it is quiet, quick, and may be read twice.
#
# What it gives                           Yours wins when
#   .venv/bin first on PATH               never: the Pulumi program runs on these packages
#   tools/bin/pulumi, which starts        never: it starts yours
#   .tools/bin on PATH                    a `pulumi` is on PATH
#   state of the stacks: .videogen/pulumi PULUMI_BACKEND_URL is set
#   a random passphrase for their secrets PULUMI_CONFIG_PASSPHRASE(_FILE) is set, or the state is not the one above:
#                                         nobody else could ever read a shared state that this checkout encrypted
#   PULUMI_HOME: .videogen/pulumi-home    PULUMI_HOME is set

_videogen_env() {
  local root=$1 before=${VIDEOGEN_CHECKOUT:-$1} rest=$PATH: kept='' entry fresh

  # What another checkout (or an earlier reading) put there is not the user's own.
  while [ -n "$rest" ]; do
    entry=${rest%%:*} rest=${rest#*:}
    case $entry in
      "$before/.venv/bin" | "$before/tools/bin" | "$before/.tools/bin") ;;
      "$root/.venv/bin" | "$root/tools/bin" | "$root/.tools/bin") ;;
      *) kept=$kept:$entry ;;
    esac
  done
  PATH=${kept#:}
  [ "${PULUMI_BACKEND_URL:-}" != "file://$before/.videogen/pulumi" ] || unset PULUMI_BACKEND_URL
  [ "${PULUMI_HOME:-}" != "$before/.videogen/pulumi-home" ] || unset PULUMI_HOME
  [ "${PULUMI_CONFIG_PASSPHRASE_FILE:-}" != "$before/.videogen/passphrase" ] || unset PULUMI_CONFIG_PASSPHRASE_FILE

  command -v pulumi >/dev/null 2>&1 || PATH=$root/.tools/bin:$PATH
  export PATH=$root/.venv/bin:$root/tools/bin:$PATH
  export VIDEOGEN_CHECKOUT=$root
  # Engine, plugin and language host talk to each other over loopback, never through a proxy.
  case ,${NO_PROXY:-}, in *,127.0.0.1,*) ;; *) export NO_PROXY=127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY} ;; esac
  case ,${no_proxy:-}, in *,127.0.0.1,*) ;; *) export no_proxy=127.0.0.1,localhost${no_proxy:+,$no_proxy} ;; esac
  export PYTHONUTF8=1 # a checkout in a folder with Japanese letters works in the C locale, too
  export PULUMI_SKIP_UPDATE_CHECK=${PULUMI_SKIP_UPDATE_CHECK:-true}
  export PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=${PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION:-true}
  # A stack file without a salt takes the one in the state; see tools/bin/pulumi.
  export PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER=${PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER:-true}

  if [ -z "${PULUMI_HOME:-}" ]; then
    export PULUMI_HOME=$root/.videogen/pulumi-home
    [ -d "$PULUMI_HOME" ] || (umask 077 && mkdir -p "$PULUMI_HOME") || return
  fi
  [ -z "${PULUMI_BACKEND_URL:-}" ] || return 0
  export PULUMI_BACKEND_URL=file://$root/.videogen/pulumi
  [ -d "$root/.videogen/pulumi" ] || (umask 077 && mkdir -p "$root/.videogen/pulumi") || return
  if [ -z "${PULUMI_CONFIG_PASSPHRASE+set}" ] && [ -z "${PULUMI_CONFIG_PASSPHRASE_FILE:-}" ]; then
    export PULUMI_CONFIG_PASSPHRASE_FILE=$root/.videogen/passphrase
    if [ ! -s "$PULUMI_CONFIG_PASSPHRASE_FILE" ]; then
      fresh=$(umask 077 && mktemp "$root/.videogen/passphrase.XXXXXX") || return
      od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$fresh"
      # A link is made only where nothing is: of two shells that get here at once, one passphrase stays.
      ln "$fresh" "$PULUMI_CONFIG_PASSPHRASE_FILE" 2>/dev/null || true
      rm -f "$fresh"
    fi
  fi
}

if [ -n "${BASH_VERSION:-}" ]; then
  _videogen_env "$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
else
  eval '_videogen_env "${${(%):-%x}:A:h:h}"' # zsh's own way to say the same; bash cannot parse it
fi
unset -f _videogen_env
