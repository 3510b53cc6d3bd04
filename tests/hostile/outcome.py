"""What becomes of one picture file."""

from cae.data.formats.image_files import BadImageError, decode
from cae.data.formats.image_headers import scan

PLENTY = 10**8
WHITE = (255, 255, 255)


def outcome(path):
    """The pixels of a file, or the reason for which scan or decoder refuse it."""
    if bad := scan([str(path)], PLENTY).bad:
        return bad[0]
    try:
        return decode(str(path), PLENTY, WHITE)
    except BadImageError as error:
        return str(error)
