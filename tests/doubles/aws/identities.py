"""Users, what they may do, and their keys."""

import json
from typing import Annotated

from tests.doubles.aws.kind import Aws, Document, Inputs, Plain, found

_GONE = "NoSuchEntity"


class UserInputs(Inputs):
    """`aws:iam/user:User`."""

    name: str
    path: str = "/"
    tags: dict[str, str] = {}


class User:
    """A user; its id is its name."""

    replacing = frozenset({"name", "path"})
    computed = frozenset({"arn", "uniqueId"})

    def create(self, aws: Aws, wanted: UserInputs, /) -> tuple[str, Plain]:
        """Refused where there is one of that name."""
        aws.iam.create_user(UserName=wanted.name, Path=wanted.path, Tags=_pairs(wanted.tags))
        return wanted.name, {}

    def read(self, aws: Aws, id_: str, /) -> Plain | None:
        """Name, path and tags."""
        said = found(aws.iam.get_user, _GONE, UserName=id_)
        if said is None:
            return None
        its = said["User"]
        tags = aws.iam.list_user_tags(UserName=id_)["Tags"]
        return {
            "name": its["UserName"],
            "path": its["Path"],
            "tags": {one["Key"]: one["Value"] for one in tags},
            "arn": its["Arn"],
            "uniqueId": its["UserId"],
        }

    def update(self, aws: Aws, id_: str, wanted: UserInputs, /) -> None:
        """New tags."""
        old = aws.iam.list_user_tags(UserName=id_)["Tags"]
        if gone := [one["Key"] for one in old if one["Key"] not in wanted.tags]:
            aws.iam.untag_user(UserName=id_, TagKeys=gone)
        if wanted.tags:
            aws.iam.tag_user(UserName=id_, Tags=_pairs(wanted.tags))

    def delete(self, aws: Aws, id_: str, /) -> None:
        """Whoever it was, it is nobody."""
        found(aws.iam.delete_user, _GONE, UserName=id_)


class UserPolicyInputs(Inputs):
    """`aws:iam/userPolicy:UserPolicy`."""

    name: str
    user: str
    policy: Annotated[str, Document]


class UserPolicy:
    """What a user may do; its id is `user:name`."""

    replacing = frozenset({"name", "user"})
    computed: frozenset[str] = frozenset()

    def create(self, aws: Aws, wanted: UserPolicyInputs, /) -> tuple[str, Plain]:
        """Puts it."""
        id_ = f"{wanted.user}:{wanted.name}"
        self.update(aws, id_, wanted)
        return id_, {}

    def read(self, aws: Aws, id_: str, /) -> Plain | None:
        """The text."""
        user, _, name = id_.partition(":")
        said = found(aws.iam.get_user_policy, _GONE, UserName=user, PolicyName=name)
        return said and {"user": user, "name": name, "policy": json.dumps(said["PolicyDocument"])}

    def update(self, aws: Aws, id_: str, wanted: UserPolicyInputs, /) -> None:
        """Puts it anew."""
        user, _, name = id_.partition(":")
        aws.iam.put_user_policy(UserName=user, PolicyName=name, PolicyDocument=wanted.policy)

    def delete(self, aws: Aws, id_: str, /) -> None:
        """No policy of that name."""
        user, _, name = id_.partition(":")
        found(aws.iam.delete_user_policy, _GONE, UserName=user, PolicyName=name)


class AccessKeyInputs(Inputs):
    """`aws:iam/accessKey:AccessKey`."""

    user: str


class AccessKey:
    """A pair of keys, whose secret AWS tells once."""

    replacing = frozenset({"user"})
    computed = frozenset({"secret", "status"})

    def create(self, aws: Aws, wanted: AccessKeyInputs, /) -> tuple[str, Plain]:
        """A fresh pair."""
        made = aws.iam.create_access_key(UserName=wanted.user)["AccessKey"]
        return made["AccessKeyId"], {"secret": made["SecretAccessKey"]}

    def read(self, aws: Aws, id_: str, /) -> Plain | None:
        """Whose it is, and whether it is good."""
        user = self._user(aws, id_)
        keys = found(aws.iam.list_access_keys, _GONE, UserName=user)["AccessKeyMetadata"] if user else []
        its = next((key for key in keys if key["AccessKeyId"] == id_), None)
        return its and {"user": its["UserName"], "status": its["Status"]}

    def update(self, aws: Aws, id_: str, wanted: AccessKeyInputs, /) -> None:
        """It has nothing to change."""

    def delete(self, aws: Aws, id_: str, /) -> None:
        """It is good for nothing any more."""
        if user := self._user(aws, id_):
            aws.iam.delete_access_key(UserName=user, AccessKeyId=id_)

    def _user(self, aws: Aws, id_: str) -> str | None:
        for user in aws.iam.list_users()["Users"]:
            keys = aws.iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]
            if any(key["AccessKeyId"] == id_ for key in keys):
                return str(user["UserName"])
        return None


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
