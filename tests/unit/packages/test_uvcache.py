"""Entries of uv's cache: taken apart, settled, put together again so that uv reads them."""

import struct
import zlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbase.packages import uvcache
from warmbase.packages.uvcache import Framed, UnknownLayoutError

ALIAS = b"http://wwwwwwwwwwwwww"
ADDRESS = b"https://index.example"
RUN = (1_790_000_000, 1_790_000_060)

policies = st.binary(min_size=0, max_size=40).map(lambda rest: rest.ljust(len(rest) + -len(rest) % 8, b"\1"))
framed = st.builds(Framed, data=st.binary(max_size=200), policy=st.binary(max_size=200))


def policy(nonce: bytes, *times: int, address: bytes = ALIAS) -> bytes:
    """A policy as uv writes it: times and other numbers at multiples of 8, the nonce just before the address."""
    head = b"".join(struct.pack("<Q", moment) for moment in times) + nonce
    return head + address + b"/simple/six/"


@given(framed)
def test_what_is_put_together_is_taken_apart_again(entry: Framed) -> None:
    assert uvcache.read_framed(uvcache.write_framed(entry)) == entry


@given(framed)
def test_the_frame_is_what_uv_reads(entry: Framed) -> None:
    """data, zeros up to a multiple of 16, policy, CRC-32 of all after the data but itself, length of the data."""
    written = uvcache.write_framed(entry)
    length = struct.unpack("<Q", written[-8:])[0]
    start = (length + 15) // 16 * 16
    assert written[:length] == entry.data
    assert not any(written[length:start])
    assert written[start:-12] == entry.policy
    assert struct.unpack("<I", written[-12:-8])[0] == zlib.crc32(written[length:-12] + written[-8:])


@given(framed, st.data())
def test_a_bit_that_flips_after_the_data_is_noticed(entry: Framed, data: st.DataObject) -> None:
    written = bytearray(uvcache.write_framed(entry))
    place = data.draw(st.integers(len(entry.data), len(written) - 1))
    written[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(UnknownLayoutError):
        uvcache.read_framed(bytes(written))


@given(st.binary(max_size=64))
def test_nothing_else_passes_for_an_entry(content: bytes) -> None:
    """Whatever is read either is a frame, or is refused; it never crashes."""
    try:
        entry = uvcache.read_framed(content)
    except UnknownLayoutError:
        return
    assert uvcache.read_framed(uvcache.write_framed(entry)) == entry


@given(
    st.binary(min_size=16, max_size=16).filter(lambda nonce: b"http" not in nonce),
    st.binary(min_size=16, max_size=16).filter(lambda nonce: b"http" not in nonce),
    st.lists(st.tuples(st.integers(*RUN), st.integers(*RUN)), min_size=1, max_size=4),
)
def test_two_runs_give_the_same_bytes_once_settled(one: bytes, other: bytes, times: list[tuple[int, int]]) -> None:
    def settled(nonce: bytes, moments: list[int]) -> bytes:
        entry = Framed(data=b"page at " + ALIAS, policy=policy(nonce, *moments, 42))
        return uvcache.write_framed(uvcache.settle(entry, hosts={ALIAS: ADDRESS}, run=RUN, time=1_600_000_000))

    first = settled(one, [moment for moment, _ in times])
    assert first == settled(other, [moment for _, moment in times])


def test_settling_sets_the_nonce_and_the_times_and_puts_the_real_address_in_place() -> None:
    entry = Framed(data=b"data", policy=policy(b"ABCDEFGHIJKLMNOP", RUN[0], RUN[1], RUN[1] + 1, 7))
    settled = uvcache.settle(entry, hosts={ALIAS: ADDRESS}, run=RUN, time=1_600_000_000)
    expected = policy(b"0" * 16, 1_600_000_000, 1_600_000_000, RUN[1] + 1, 7, address=ADDRESS)
    assert settled == Framed(data=b"data", policy=expected)


def test_a_policy_without_a_time_of_the_run_is_not_taken_for_settled() -> None:
    entry = Framed(data=b"data", policy=policy(b"ABCDEFGHIJKLMNOP", RUN[1] + 1, 7))
    with pytest.raises(UnknownLayoutError, match="no time of this run"):
        uvcache.settle(entry, hosts={ALIAS: ADDRESS}, run=RUN, time=1_600_000_000)


def test_the_alias_has_to_be_as_long_as_the_address() -> None:
    with pytest.raises(ValueError, match="as long as"):
        uvcache.settle(Framed(data=b"", policy=b""), hosts={b"http://w": ADDRESS}, run=RUN, time=0)


@pytest.mark.parametrize("wrong", [b"", b"0123456789abcdef" + ADDRESS, b"too short" + ALIAS])
def test_a_policy_without_a_nonce_and_the_alias_is_of_an_unknown_layout(wrong: bytes) -> None:
    with pytest.raises(UnknownLayoutError, match="nonce"):
        uvcache.settle(Framed(data=b"", policy=wrong), hosts={ALIAS: ADDRESS}, run=RUN, time=0)


def test_metadata_is_read() -> None:
    record = ["six", "1.17.0", ["idna>=2"], None, ["socks"], False]
    entry = uvcache.write_framed(Framed(data=msgpack.packb(record), policy=b"p"))
    found = uvcache.read_metadata(entry)
    assert (found.name, found.version, found.requires_dist) == ("six", "1.17.0", ("idna>=2",))
    assert (found.requires_python, found.extras) == ("", ("socks",))


@pytest.mark.parametrize("record", [["six"], {"name": "six"}, 7])
def test_other_metadata_is_of_an_unknown_layout(record: object) -> None:
    with pytest.raises(UnknownLayoutError, match="metadata"):
        uvcache.read_metadata(uvcache.write_framed(Framed(data=msgpack.packb(record), policy=b"p")))


def test_a_pointer_names_the_archive_and_the_wheel() -> None:
    data = uvcache.pointer_data(archive="0" * 24, sha256="a" * 64, filename="six-1-py3-none-any.whl", size=11)
    assert msgpack.unpackb(data) == ["0" * 24, [{"Sha256": "a" * 64}], "six-1-py3-none-any.whl", 0, 11]


def test_an_archive_is_named_by_its_wheel_alone() -> None:
    assert uvcache.archive_id("0123456789abcdef" * 4) == "0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("version", "known"),
    [("0.13.8", True), ("0.13.0", True), ("0.13.9", False), ("0.12.5", False), ("0.14.0", False), ("1.0", False)],
)
def test_the_versions_of_uv_whose_cache_is_known(version: str, known: bool) -> None:
    assert uvcache.is_known(version) is known


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:18431/simple",
        "http://127.0.0.1:18431/simple/",
        "http://somebody:secret@127.0.0.1:18431/simple",
    ],
)
def test_the_bucket_of_an_index_is_named_by_its_address_without_credentials_and_final_slash(address: str) -> None:
    """As uv 0.13.8 named it."""
    assert uvcache.index_bucket(address, "https://index.example/simple") == "index/08c9b6bdbec532c1"


def test_uv_s_own_index_has_a_bucket_of_that_name() -> None:
    assert uvcache.index_bucket("https://index.example/simple", "https://index.example/simple") == "pypi"


def test_a_default_port_is_not_part_of_the_name() -> None:
    plain, written = (uvcache.index_bucket(f"https://i.example{port}/a", "") for port in ("", ":443"))
    assert plain == written
