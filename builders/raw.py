"""Reading raw annotation files with a declared form; an error names file, JSON path and id."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mix665k.builders.containers import forms_of
from mix665k.builders.decode import BadRecord, decoded_parts, json_path
from mix665k.builders.funnel import Dropped, Regrouped, StepFunnel
from mix665k.builders.numbers import NONE, Numbers
from mix665k.builders.parts import Parts
from mix665k.builders.pieces import Piece, decoded_piece
from mix665k.builders.registry import About, RawFile
from mix665k.builders.stated import Split, require_as_named, split_in_name
from mix665k.schemas.conversation import IMAGE_TOKEN, Conversation, Pair, is_blank
from mix665k.schemas.errors import RawDataError
from mix665k.schemas.image_names import CONTROL

OnBadRecord = Literal["fail", "drop"]
MAX_REFUSED = 5
"""Bad records that a message names."""


class Refused(NamedTuple):
    """A raw record that cannot be used: the part of the file that has it, its id, what is wrong and where."""

    part: Path
    id: str
    why: str


class RawFiles:
    """The raw files of one source, opened and read record by record.

    `funnel` counts what is dropped; `on_bad_record="fail"` raises instead. `progress` hears the bytes read since its
    last call; `refused` are the bad records. `splits` are those that the recipe takes of a file that has several; where
    it names none, every file has to be of the same one. `last` is the id of the record that entered last. `numbers` is
    for sources that number conversations of one id. Of a `piece` the records that enter are read only; then nothing is
    raised for bad records, as there may be more in other pieces.
    """

    def __init__(
        self,
        about: About,
        paths: Mapping[str, Parts],
        *,
        funnel: StepFunnel,
        on_bad_record: OnBadRecord,
        progress: Callable[[int], None],
        splits: Collection[str | int] = (),
        piece: Piece | None = None,
        before: Mapping[bytes, int] = NONE,
    ) -> None:
        self._funnel = funnel
        self.paths = paths
        self._about = about
        self._drops = on_bad_record == "drop"
        self.refused: list[Refused] = []
        self._progress = progress
        self._entered: list[str] = []
        self.last = ""
        self.numbers = Numbers(before)
        self._piece = piece
        self._chosen = [str(name) for name in splits]
        self._splits: dict[tuple[str, Path], Split] = {}
        self._seen_splits: dict[str, None] = {}
        self._reading = {role: parts[0] for role, parts in paths.items()}
        self._part_of: dict[str, dict[str, Path]] = {}

    @property
    def splits(self) -> list[str]:
        """The splits of the records that were read and taken, as far as files say; in the order met."""
        by_file = [split.name for (role, _), split in self._splits.items() if role in self._entered]
        found = [*self._seen_splits, *(by_file or [split.name for split in self._splits.values()])]
        return list(dict.fromkeys(name for name in found if not self._chosen or name in self._chosen))

    def files_of(self, pairs: Iterable[Pair]) -> str:
        """The files that pairs were made of, in words; origins of pooled data sets begin with the data set's name."""
        found: dict[Path, None] = {}
        for pair in pairs:
            groups = [(role, role[: role.find("/") + 1]) for role in self._entered]
            role, group = next(
                (one for one in reversed(groups) if pair.origin.startswith(one[1])), (self._about.files[0].role, "")
            )
            origin, parts = pair.origin.removeprefix(group), self._part_of.get(role, {})
            part = parts.get(origin) or parts.get(origin.rpartition("/")[0]) or self._reading[role]
            found[part] = None
        return ", ".join(map(str, found))

    def entering(self, role: str) -> Iterator[tuple[str, Any]]:
        """(id, record) of the file that conversations are made of, each counted as it is read, good or bad.

        A record enters the funnel as one conversation of as many pairs as its `RawFile` says; one that is not of its
        form, or repeats an id, as one pair, and is dropped.
        """
        file = self._about.file(role)
        self._entered.append(role)
        parts = self.paths[role]
        if self._piece is not None:  # a file is noted by whoever reads its beginning
            parts = tuple(one.path for one in self._piece if not one.first)
        for part, form in forms_of(file, parts):
            self.note(f"read as {form}", part.name)
        return self._sound(role, entering=True)

    def index(self, role: str) -> dict[str, Any]:
        """The records of a file that others are joined with, by the text of their id.

        Bad records are noted; they show in the funnel where the join misses them.
        """
        return dict(self._sound(role, entering=False))

    def reject(self, role: str, identifier: str, why: str, *, pairs: int = 1) -> None:
        """Drop a record that has entered, with its pairs, because the file is wrong; see `asking`."""
        part = self._part_of.get(role, {}).get(identifier, self._reading[role])
        self._funnel.drop(self._refuse(role, identifier, why, part=part), pairs=pairs)

    def asking(
        self, found: Iterable[Conversation | Dropped | Regrouped]
    ) -> Iterator[Conversation | Dropped | Regrouped]:
        """What a source yields, until a record is bad; unless bad ones are dropped, it is read to its end then.

        A conversation with a question that shows nothing is a bad record: later an image token or a prompt would be in
        it and hide that. So is one whose ids are empty, or would end a line of a table or move a cursor.

        Raises:
            RawDataError: with the number of bad records and the first five, unless they are dropped.
        """
        for one in found:
            if type(one) is Conversation and (bad := _fault_of(one)):
                role = (self._entered or [self._about.files[0].role])[-1]
                self.reject(role, bad[0], bad[1], pairs=len(one.pairs))
                continue
            if self._drops or not self.refused:
                yield one
        if self._piece is None and self.refused and not self._drops:
            raise refusal(self.refused, len(self.refused))

    def note(self, reason: str, identifier: str) -> None:
        """Count something that changes no number, with the id as an example."""
        self._funnel.note(reason, identifier)

    def _hear(self, role: str, part: Path, split: Split) -> None:
        """Take in what split a file is of; files that are read together are of one."""
        self._splits[role, part] = split
        group = role.rpartition("/")[0]
        for (other, path), known in self._splits.items():
            if other.rpartition("/")[0] == group and known.name != split.name:
                why = "expected files of one split; give each split a source of its own in the recipe"
                raise RawDataError(f"{path} {known.said}, {part} {split.said}, {why}")

    def _require_split(self, split: str, file: RawFile, where: str) -> None:
        """Take in a split that no record before was of; unless the recipe chooses, all are of one, the file's."""
        if not split:
            return
        says, others = f"{file.split_field} {split}", ", ".join(self._seen_splits)
        self._seen_splits[split] = None
        if self._chosen:
            return
        if by_name := split_in_name(file, self._reading[file.role]):
            require_as_named(where, says=says, split=split, by_name=by_name)
        if others:
            raise RawDataError(
                f"{where} says {says}, those before {others}, expected one split; name those to take in `splits`"
            )

    def _refuse(self, role: str, identifier: str, why: str, *, part: Path) -> str:
        reason = f"bad record in {role}"
        where = f"{part.name}: " if len(self.paths[role]) > 1 else ""
        # all of them: somebody may want to fix the file
        self._funnel.note(reason, f"{where}{identifier}: {why}", limit=None)
        self.refused.append(Refused(part, identifier, why))
        return reason

    def _sound(self, role: str, *, entering: bool) -> Iterator[tuple[str, Any]]:
        """(id, record) of the records that are of their form and whose id is new."""
        file = self._about.file(role)
        num_pairs, id_name = file.pairs, file.id_name
        by_record = file.splits_by_record
        seen = self._part_of.setdefault(role, {})
        hear = partial(self._hear, role)
        whole, piece = (
            decoded_parts(file, self.paths[role], self._progress, hear=hear),
            self._piece if entering else None,
        )
        for part, (place, identifier, found, _) in (
            whole if piece is None else decoded_piece(file, piece, self._progress)
        ):
            self._reading[role] = part
            if isinstance(found, BadRecord):
                why = f"{found.where}: {found.why}"
            elif id_name and identifier in seen:
                elsewhere = "" if seen[identifier] == part else f"; {seen[identifier].name} has it too"
                why = f"{json_path(file, place)}: this {id_name} occurs twice, expected once{elsewhere}"
            else:
                if id_name:
                    seen[identifier] = part
                if by_record and (split := str(getattr(found, file.split_field))) not in self._seen_splits:
                    self._require_split(split, file, f"{part}: {json_path(file, place)}")
                if entering:
                    self.last = identifier
                    self._funnel.enter(pairs=num_pairs(found) if num_pairs else 1)
                if file.adapt and type(found) is not file.form:
                    for name in dict.fromkeys(found.not_kept):
                        self._funnel.note(f"field `{name}` is not kept", identifier)
                yield identifier, found
                continue
            reason = self._refuse(role, identifier, why, part=part)
            if entering:
                self._funnel.enter()
                self._funnel.drop(reason)


def refusal(refused: Sequence[Refused], number: int) -> RawDataError:
    """The error for so many bad records, of which these are the first."""
    count = f"{number:,} bad records: " if number > 1 else ""
    first = "; ".join(f"{part}: {why} (id {identifier!r})" for part, identifier, why in refused[:MAX_REFUSED])
    more = f"; and {number - MAX_REFUSED:,} more" if number > MAX_REFUSED else ""
    return RawDataError(f"{count}{first}{more}; fix the file or pass --on-bad-record drop")


def _fault_of(conversation: Conversation) -> tuple[str, str] | None:
    """The origin and the reason of what is wrong with a conversation that a source made, or None."""
    for pair in conversation.pairs:
        if is_blank(pair.question.replace(IMAGE_TOKEN, "")):
            return pair.origin, "a blank question, expected text"
        if not pair.origin:
            return pair.origin, "an empty id, expected text"
        if not pair.origin.isprintable() and CONTROL.search(pair.origin):
            return pair.origin, "an id with control characters, expected none"
    if not conversation.id.isprintable() and CONTROL.search(conversation.id):
        return conversation.id, "an id with control characters, expected none"
    return None
