#!/usr/bin/env bash
# tools/init_stack.sh [STACK]: makes the stack (dev) in this checkout's state, unless it is there.
# Selects nothing, changes no stack file. Exit codes: 0 the stack is there, 1 Pulumi refused, 2 there is no Pulumi.
set -euo pipefail

stack=${1:-dev}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stacks=$(tools/bin/pulumi stack ls --json)
if [[ $stacks != *"\"name\": \"$stack\""* ]]; then
  tools/bin/pulumi stack init "$stack" --no-select --non-interactive >/dev/null
  echo "pulumi: made stack $stack"
fi
