"""The bytes of a file and the damage over them."""

from kelpie_sim.world.disk.image import UNREADABLE, Image
from tests.sim.world.disk.benches import NEW, OLD


def test_reads_what_was_written():
    """A write at an offset is read back; a gap before it is zeros, and there is nothing past the end."""
    image = Image(512)
    image.write(3, b"abc")
    assert (b"\0\0\0abc", b"c", b"", 6) == (image.read(0, 9), image.read(5, 9), image.read(6, 9), len(image))


def test_truncate_cuts_and_lengthens():
    """A shorter size cuts, a longer one adds zeros, and damage past the end is forgotten."""
    image = Image(512, OLD * 2)
    image.hurt(1, NEW)
    image.truncate(512)
    image.truncate(514)
    assert (OLD + b"\0\0", {}) == (image.read(0, 600), image.damage)


def test_damage_lies_over_pristine_bytes():
    """A hurt sector is read, wherever a read touches it; the pristine bytes stay."""
    image = Image(512, OLD * 3)
    image.hurt(1, NEW)
    found = (image.read(0, 1536), image.read(511, 3), image.read(1023, 2), bytes(image.pristine))
    assert (OLD + NEW + OLD, b"onn", b"no", OLD * 3) == found


def test_write_mends_whole_sectors():
    """Damage goes where a whole sector is written again."""
    image = Image(512, OLD * 2)
    image.hurt(0, NEW)
    image.hurt(1, NEW)
    image.write(0, OLD)
    assert (OLD + NEW, [1]) == (image.read(0, 1024), list(image.damage))


def test_write_of_part_changes_part_of_damage():
    """A write of a part of a hurt sector changes just that part of what the medium holds."""
    image = Image(512, OLD)
    image.hurt(0, NEW)
    image.write(10, b"xyz")
    assert b"n" * 10 + b"xyz" + b"n" * 499 == image.read(0, 512)


def test_lost_write_leaves_old_bytes():
    """The medium holds what it held, zeros where there was nothing, and the file has its new length."""
    image = Image(512, OLD)
    image.write_lost(0, NEW * 2)
    assert (OLD + bytes(512), NEW * 2) == (image.read(0, 2000), bytes(image.pristine))


def test_misdirected_write_hurts_two_places():
    """The right place stays old, the wrong one holds the new bytes."""
    image = Image(512, OLD * 3)
    image.write_misdirected(0, NEW, 1024)
    assert (OLD + OLD + NEW, NEW + OLD * 2) == (image.read(0, 1536), bytes(image.pristine))


def test_what_equals_the_pristine_bytes_is_no_damage():
    """A sector hurt with its own content is well."""
    image = Image(512, OLD)
    image.hurt(0, OLD)
    assert {} == image.damage


def test_flip_turns_one_bit():
    """One bit of the medium differs, and a second flip turns it back."""
    image = Image(512, OLD)
    image.flip(8 * 511 + 1)
    once = image.read(511, 1)
    image.flip(8 * 511 + 1)
    assert (b"m", b"o", {}) == (once, image.read(511, 1), image.damage)


def test_unreadable_sector():
    """A range is readable unless it touches an unreadable sector; a write into that makes it readable again."""
    image = Image(512, OLD * 2)
    image.hurt(1, UNREADABLE)
    before = [image.readable(0, 512), image.readable(500, 13), image.readable(512, 0)]
    image.write(600, b"x")
    assert ([True, False, True], True) == (before, image.readable(0, 1024))


def test_copy_is_its_own():
    """A write to the copy leaves the first as it was, damage included."""
    first = Image(512, OLD)
    first.hurt(0, NEW)
    second = first.copy()
    second.write(0, OLD)
    assert (NEW, OLD) == (first.read(0, 512), second.read(0, 512))
