"""How what is asked and answered most often travels between processes: as plain tuples."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tidings.model import Attempt, Cause, Channel, Delivery, PlannedDelivery, Recipient, RecipientKind, State
from tidings.store.answers import NOTHING
from tidings.store.publications import Publications
from tidings.store.sqlite.calls import Work
from tidings.store.sqlite.wire import Codec, marshalled, pickled, unmarshalled, unpickled
from tidings.store.sqlite.writing import Writing
from tidings.store.values import Leased, Publication, Recorded, RecordResult, Settlement

_new: Final = tuple.__new__
_CAUSES: Final = {each.value: each for each in Cause}
_CHANNELS: Final = {each.value: each for each in Channel}
_KINDS: Final = {each.value: each for each in RecipientKind}
_RECORDED: Final = {each.value: each for each in Recorded}
_STATES: Final = {each.value: each for each in State}


def codecs_of(writing: Writing) -> tuple[tuple[Work, Codec], ...]:
    """Return every work with its codec, in the order that all processes know."""
    own: Mapping[Work, Codec] = {
        writing.recorder.record: Codec(_ask_to_record, _hear_of_publications, _answer_recorded, _read_recorded),
        writing.leases.lease: Codec(pickled, unpickled, _answer_leased, _read_leased),
        writing.leases.settle: Codec(_ask_to_settle, _hear_of_settlements, marshalled, _read_marshalled),
    }
    return tuple((work, own.get(work, _PICKLED)) for work in writing.works())


def _read_pickled(answer: bytes, _asked: Any) -> Any:
    return unpickled(answer)


def _read_marshalled(answer: bytes, _asked: Any) -> Any:
    return unmarshalled(answer)


_PICKLED: Final = Codec(pickled, unpickled, pickled, _read_pickled)


def _plain(recipient: Recipient) -> tuple[str, str]:
    return recipient[0].value, recipient[1]


# Publications: events' columns and, by place, those of what is to be sent; where there is more to some, that pickled.


def _ask_to_record(publications: Sequence[Publication]) -> bytes:
    parts = Publications.of(publications)
    planned = [(place, [_plain_planned(each) for each in some]) for place, some in parts.planned.items()]
    return marshalled((parts.events, planned, pickled(parts.extras) if parts.extras else b""))


def _plain_planned(planned: PlannedDelivery) -> tuple[Any, ...]:
    return (*planned[:3], planned[3].value, *_plain(planned[4]), *planned[5:])


def _hear_of_publications(content: bytes) -> Publications:
    events, planned, extras = unmarshalled(content)
    by_place = {place: tuple(map(_planned_of, some)) for place, some in planned}
    return Publications(events, by_place, unpickled(extras) if extras else {})


def _planned_of(plain: Sequence[Any]) -> PlannedDelivery:
    recipient = _new(Recipient, (_KINDS[plain[4]], plain[5]))
    return _new(PlannedDelivery, (*plain[:3], _CHANNELS[plain[3]], recipient, *plain[6:]))


def _answer_recorded(results: Sequence[RecordResult]) -> bytes:
    """Leave out what nearly every event comes to: new, and nothing to be sent."""
    if results.count(NOTHING) == len(results):
        return b""
    return marshalled([(place, each[0].value, *each[1:]) for place, each in enumerate(results) if each is not NOTHING])


def _read_recorded(content: bytes, asked: Sequence[Publication]) -> list[RecordResult]:
    results = [NOTHING] * len(asked)
    if content:
        for place, recorded, *rest in unmarshalled(content):
            results[place] = RecordResult(_RECORDED[recorded], *rest)
    return results


# Leases


def _answer_leased(leased: Sequence[Leased]) -> bytes:
    return marshalled(
        [
            (*(one := each[0])[:7], one[7].value, *_plain(one[8]), one[9], one[10].value, *one[11:], each[1:])
            for each in leased
        ]
    )


def _read_leased(content: bytes, _asked: Any) -> list[Leased]:
    return [
        Leased(
            _new(
                Delivery,
                (
                    *each[:7],
                    _CHANNELS[each[7]],
                    _new(Recipient, (_KINDS[each[8]], each[9])),
                    each[10],
                    _STATES[each[11]],
                    *each[12:-1],
                ),
            ),
            *each[-1],
        )
        for each in unmarshalled(content)
    ]


# Settlements


def _ask_to_settle(settlements: Sequence[Settlement]) -> bytes:
    return marshalled(
        [
            (*each[:2], each[2].value, *each[3:6], (one := each[6]) and (*one[:3], one[3].value, *one[4:]))
            for each in settlements
        ]
    )


def _hear_of_settlements(content: bytes) -> list[Settlement]:
    return [
        _new(
            Settlement,
            (
                *each[:2],
                _CAUSES[each[2]],
                *each[3:6],
                (one := each[6]) and _new(Attempt, (*one[:3], _CAUSES[one[3]], *one[4:])),
            ),
        )
        for each in unmarshalled(content)
    ]
