"""Settings: one name in Python, as a flag and in the environment."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from snapengine.errors import InvalidOption
from snapengine.service.settings import Settings, settings_from


def test_the_environment_is_read() -> None:
    settings = settings_from(
        {
            "SNAPENGINE_KEYS": "ak:secretsecret:project",
            "SNAPENGINE_MEDIA_ROOTS": "/srv/a:/srv/b",
            "SNAPENGINE_ALLOW_PRIVATE": "1",
            "SNAPENGINE_WORKERS": "3",
            "SNAPENGINE_JOB_SECONDS": "12.5",
            "SNAPENGINE_SOURCE_SCHEMES": "https,s3",
            "SNAPENGINE_PROCESS_STATUS": "400",
            "SNAPENGINE_DATABASE": "",
            "OTHER": "x",
        }
    )
    assert settings.media_roots == ("/srv/a", "/srv/b")
    assert settings.allow_private is True
    assert settings.workers == 3
    assert settings.job_seconds == 12.5
    assert settings.source_schemes == ("https", "s3")
    assert settings.process_status == 400
    assert settings.database == ""


def test_what_is_given_wins_and_nothing_else_is_forgotten() -> None:
    environ = {"SNAPENGINE_WORKERS": "3", "SNAPENGINE_QUALITY": "70"}
    settings = settings_from(environ, workers=1, quality=None)
    assert (settings.workers, settings.quality) == (1, 70)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keys", "nonsense"),
        ("workers", "-1"),
        ("workers", "many"),
        ("queue", "0"),
        ("quality", "101"),
        ("job_seconds", "nan"),
        ("job_seconds", "0"),
        ("allow_private", "perhaps"),
        ("media_roots", "relative/folder"),
        ("public_url", "ftp://x"),
        ("cover", "best"),
        ("process_status", "404"),
    ],
)
def test_what_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        settings_from({f"SNAPENGINE_{name.upper()}": value})
    assert name in str(caught.value) or name == "keys"


def test_lists_and_paths_are_as_good(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, media_roots=[tmp_path, "/srv"])  # type: ignore[arg-type]
    assert settings.data == str(tmp_path)
    assert settings.media_roots == (str(tmp_path), "/srv")
    assert settings_from({}, media_roots="/a:/b").media_roots == ("/a", "/b")
    assert settings_from({}, media_roots=["/a"], data=tmp_path).media_roots == ("/a",)
    with pytest.raises(InvalidOption, match="media_roots"):
        Settings(media_roots="/srv")  # type: ignore[arg-type]


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(InvalidOption, match="wrokers"):
        settings_from({}, wrokers=2)


def test_every_setting_can_be_said_as_text() -> None:
    said = {
        "media_roots": "/a",
        "public_url": "http://h",
        "cover": "head",
        "keys": "a:secretsecret:p",
    }
    for field in dataclasses.fields(Settings):
        text = said.get(field.name)
        if text is None:
            default = field.default
            text = ",".join(default) if isinstance(default, tuple) else str(default)
        settings = settings_from({f"SNAPENGINE_{field.name.upper()}": text})
        if field.name not in said:
            assert getattr(settings, field.name) == field.default


def test_secrets_are_in_no_repr() -> None:
    settings = Settings(
        keys="ak:secretsecret:p", database="postgresql://u:hidden@h/d", huawei_callback_key="hush"
    )
    shown = repr(settings)
    assert not any(secret in shown for secret in ("secretsecret", "hidden", "hush"))
