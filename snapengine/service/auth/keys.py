"""Access keys: who may call, and for which project."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...errors import InvalidOption
from .failures import DisabledKey, UnknownKey

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
#: Printable ASCII, without the signs that separate keys in a configuration.
_SECRET = re.compile(r"(?:(?![:,])[!-~]){8,256}")
_PROJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Key:
    """An access key. ``secret`` is in no ``repr`` and in no message.

    Raises :class:`InvalidOption` for parts that no configuration could hold.
    """

    id: str
    secret: str = field(repr=False)
    project_id: str
    disabled: bool = False

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            # Not quoted: whoever mixes up the order has put the secret here.
            raise InvalidOption("an access key id is 1 to 128 letters, digits and . _ -")
        if not _SECRET.fullmatch(self.secret):
            raise InvalidOption(
                f"the secret of {self.id} must be 8 to 256 printable ASCII signs without : and ,"
            )
        if not _PROJECT.fullmatch(self.project_id):
            raise InvalidOption(
                f"the project id of {self.id} must be 1 to 64 letters, digits and _ -"
            )


class KeyRing:
    """The keys that count. Immutable, so shared by threads without a lock."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys: dict[str, Key] = {}
        for key in keys:
            if key.id in self._keys:
                raise InvalidOption(f"the access key {key.id} is given twice")
            self._keys[key.id] = key

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """``ak:sk:project_id[,ak:sk:project_id...]``, blanks around each part ignored.

        Raises :class:`InvalidOption`, which counts entries and never quotes one.
        """
        keys = []
        for number, entry in enumerate(text.split(","), 1):
            parts = [part.strip() for part in entry.split(":")]
            if len(parts) != 3:
                raise InvalidOption(f"key {number} is not written as ak:sk:project_id")
            id, secret, project_id = parts
            keys.append(Key(id, secret, project_id))
        return cls(keys)

    def find(self, id: bytes, *, parameter: str) -> Key:
        """The key of this id, as it came over the wire.

        Raises :class:`UnknownKey` or :class:`DisabledKey`, which name ``parameter``.
        """
        # ISO 8859-1 has a character for any byte; ids are ASCII, so no other bytes can match.
        key = self._keys.get(id.decode("latin-1"))
        if key is None:
            raise UnknownKey("there is no such access key", parameter=parameter)
        if key.disabled:
            raise DisabledKey(f"the access key {key.id} is disabled", parameter=parameter)
        return key

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"KeyRing({list(self._keys)})"


def fresh_key(project_id: str | None = None) -> Key:
    """A new pair that cannot be guessed (160 bits), for a project of its own unless one is given.

    Raises :class:`InvalidOption` for a project id that cannot be one.
    """
    return Key(
        id=f"SE{secrets.token_hex(9).upper()}",
        secret=secrets.token_hex(20),
        project_id=secrets.token_hex(16) if project_id is None else project_id,
    )
