"""Reading sets from disk, with errors that name the place and the reason in one sentence."""

import json
import re
import tomllib
from datetime import date, datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from questions.locations import Location, Locations, Place, scan
from questions.schema import QuestionFile, QuestionSet, question_hash

__all__ = ["SetError", "find_sets", "question_hash", "read_located", "read_set", "slug_at"]

HEAD: Final = "set.toml"
MAX_BYTES: Final = 5_000_000
MAX_SHOWN: Final = 60
PLAIN: Final = {str: "a text", bool: "true or false"}
STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")

Part = QuestionSet | QuestionFile
K = TypeVar("K", QuestionSet, QuestionFile)


class SetError(ValueError):
    """A set that cannot be loaded: one sentence with file, place, problem and allowed values."""


class _File(NamedTuple):
    path: Path
    data: dict[str, Any]
    lines: dict[Place, int]


def find_sets(path: Path) -> list[Path]:
    """Return the sets at `path` in name order: the set itself, or those in the folder.

    A folder is a set when it holds `set.toml`; otherwise each folder in it that holds TOML files,
    and each TOML file, is one.

    Raises:
        SetError: `path` does not exist or contains no set, or two sets have the same name.
    """
    if path.is_file() or (path / HEAD).is_file():
        return [path]
    if not path.is_dir():
        raise SetError(f"{path}: no such file or folder; allowed: a set or a folder of sets.")
    found = [
        item
        for item in sorted(path.iterdir())
        if not item.name.startswith(".") and (_is_toml(item) or _holds_toml(item))
    ]
    if not found:
        raise SetError(
            f"{path}: holds no set; allowed: a folder with {HEAD}, or a folder of sets, "
            "each a folder with set.toml or a single .toml file."
        )
    named: dict[str, Path] = {}
    for item in found:
        name = slug_at(item)
        if name in named:
            raise SetError(
                f'{item}: has the slug "{name}" of another set, in {named[name]}; allowed: a slug '
                "that one set has."
            )
        named[name] = item
    return found


def slug_at(path: Path) -> str:
    """Return the required slug of a set at `path`: the name of its folder or file.

    Examples:
        >>> slug_at(Path("sets/northfell/set.toml")), slug_at(Path("northfell.toml"))
        ('northfell', 'northfell')
    """
    place = path.resolve()
    if place.name == HEAD:
        return place.parent.name
    return place.name.removesuffix(".toml")


def read_set(path: Path) -> QuestionSet:
    """Read the set in a folder (`set.toml` and files of questions) or in a single file.

    Raises:
        SetError: the set cannot be loaded.
    """
    return read_located(path)[0]


def read_located(path: Path) -> tuple[QuestionSet, Locations]:
    """Read a set as `read_set` does, with the places of its elements for the lint.

    Raises:
        SetError: the set cannot be loaded.
    """
    folder = path.parent if path.name == HEAD else path
    name, head, others = _files(folder)
    whole = _convert(head, QuestionSet)
    if whole.slug != name:
        raise _refused(
            head,
            ("slug",),
            f'is "{whole.slug}" but the set is in "{folder.name}"',
            f'"{name}", or another name for the {"folder" if folder.is_dir() else "file"}',
        )
    parts: list[tuple[_File, Part]] = [(head, whole)]
    parts += [(file, _convert(file, QuestionFile)) for file in others]
    _check_implications(head, whole)
    _check_questions(parts, {implication.slug for implication in whole.implications})
    questions = tuple(question for _, part in parts for question in part.questions)
    return msgspec.structs.replace(whole, questions=questions), _locate(parts)


def _is_toml(path: Path) -> bool:
    return path.suffix == ".toml" and path.is_file()


def _holds_toml(path: Path) -> bool:
    return path.is_dir() and any(map(_is_toml, path.iterdir()))


def _files(path: Path) -> tuple[str, _File, list[_File]]:
    """Return the set's name on disk, its head and its other files in name order."""
    if path.is_file():
        return path.stem, _parse(path), []
    if not path.is_dir():
        raise SetError(f"{path}: no such file or folder; allowed: a set's folder or file.")
    if not (path / HEAD).is_file():
        raise SetError(f"{path}: has no {HEAD}; allowed: a folder with {HEAD} in it.")
    others = [item for item in sorted(path.iterdir()) if _is_toml(item) and item.name != HEAD]
    return path.resolve().name, _parse(path / HEAD), [_parse(item) for item in others]


def _parse(path: Path) -> _File:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SetError(f"{path}: is too large, {size} bytes; allowed: {MAX_BYTES} bytes.")
        text = path.read_bytes().decode("utf-8-sig")
        return _File(path, tomllib.loads(text), scan(text))
    except UnicodeDecodeError as error:
        raise SetError(
            f"{path}: is not UTF-8 at byte {error.start}; allowed: UTF-8 text."
        ) from error
    except OSError as error:
        raise SetError(f"{path}: cannot be read ({error.strerror}).") from error
    except tomllib.TOMLDecodeError as error:
        raise SetError(f"{path}: is not valid TOML: {error}.") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, SetError):
            raise
        raise SetError(
            f"{path}: is not valid TOML: nested too deeply or a number too long."
        ) from error


def _convert(file: _File, kind: type[K]) -> K:
    try:
        return msgspec.convert(file.data, kind, builtin_types=(datetime, date))
    except msgspec.ValidationError as error:
        raise _explained(file, kind, str(error)) from error


def _check_implications(file: _File, head: QuestionSet) -> None:
    seen = set()
    for index, implication in enumerate(head.implications):
        if implication.slug in seen:
            raise _refused(
                file,
                ("implications", index, "slug"),
                "is the slug of an earlier implication",
                "a slug that is used once in the set",
            )
        seen.add(implication.slug)


def _check_questions(parts: list[tuple[_File, Part]], implications: set[str]) -> None:
    seen: dict[str, _File] = {}
    for file, part in parts:
        for index, question in enumerate(part.questions):
            if question.slug in seen:
                raise _refused(
                    file,
                    ("questions", index, "slug"),
                    f"is the slug of another question, in {seen[question.slug].path}",
                    "a slug that is used once in the set",
                )
            if question.implication not in implications:
                raise _refused(
                    file,
                    ("questions", index, "implication"),
                    f'is "{question.implication}", which is no implication of the set',
                    f"the slug of one of the {len(implications)} implications in the set's head",
                )
            seen[question.slug] = file


def _locate(parts: list[tuple[_File, Part]]) -> Locations:
    places: dict[tuple[str, ...], Location] = {(): Location(parts[0][0].path)}
    for file, _ in parts:
        for path, line in file.lines.items():
            named = _by_slug(file.data, path)
            places.setdefault(named, Location(file.path, line))
    return Locations(places)


def _by_slug(data: Any, path: Place) -> tuple[str, ...]:
    """Replace the indices in a path by slugs."""
    named: list[str] = []
    for part in path:
        data = _step(data, part)
        slug = data.get("slug") if isinstance(data, dict) else None
        named.append(str(part if isinstance(part, str) or slug is None else slug))
    return tuple(named)


def _step(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


def _explained(file: _File, kind: type, message: str) -> SetError:
    """Turn a msgspec error into a sentence with the place and the allowed values."""
    fault, _, tail = message.rpartition(" - at `$") if " - at `$" in message else (message, "", "")
    path: Place = tuple(name or int(index) for name, index in STEP.findall(tail))
    if missing := re.fullmatch(r"Object missing required field `(.+)`", fault):
        path = (*path, missing[1])
        return _refused(file, path, "is missing", _allowed(_annotation(kind, path)))
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", fault):
        known = ", ".join(_annotation(kind, path).__struct_fields__)
        return _refused(file, (*path, unknown[1]), "is an unknown field", known)
    if order := re.fullmatch(r"(\w+) must (.+)", fault, re.DOTALL):
        return _refused(file, (*path, order[1]), f"must {order[2]}")
    value = file.data
    for part in path:
        value = _step(value, part)
    return _refused(file, path, _shown(value), _allowed(_annotation(kind, path)))


def _annotation(kind: Any, path: Place) -> Any:
    """Return the type at `path` within the struct `kind`, without None for optional types."""
    for part in path:
        if isinstance(part, int):
            kind = get_args(kind)[0]
        else:
            kind = get_type_hints(kind, include_extras=True)[part]
        if get_origin(kind) in {Union, UnionType}:
            kind = next(option for option in get_args(kind) if option is not NoneType)
    return kind


def _allowed(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(map(_quoted, get_args(annotation)))
    if get_origin(annotation) is Annotated:
        return str(annotation.__metadata__[0].description)
    if get_origin(annotation) is tuple:
        return f"an array, each item {_allowed(get_args(annotation)[0])}"
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return f"a table with {', '.join(annotation.__struct_fields__)}"
    return PLAIN[annotation]


def _shown(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo is None:
        return f"is {value.isoformat()}, which has no offset"
    if isinstance(value, datetime | date):
        return f"is {value.isoformat()}"
    if isinstance(value, dict):
        return "is a table"
    if isinstance(value, list):
        return "is an array"
    shown = _quoted(value)
    return f"is {shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + '…'}"


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _refused(file: _File, path: Place, fault: str, allowed: str = "") -> SetError:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    line = next(
        (file.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in file.lines), None
    )
    ending = f"; allowed: {allowed}" if allowed else ""
    where = f"{place.lstrip('.')}{_owner(file, path)} " if path else ""
    return SetError(f"{Location(file.path, line)}: {where}{fault}{ending}.")


def _owner(file: _File, path: Place) -> str:
    """Name the question or implication containing a path, if it has a slug."""
    record = _step(_step(file.data, path[0]), path[1]) if len(path) > 1 else None
    slug = _step(record, "slug")
    return f' ({str(path[0]).removesuffix("s")} "{slug}")' if isinstance(slug, str) else ""
