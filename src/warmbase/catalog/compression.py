"""How layers are compressed, as the catalog writes it: a codec's name, or a mapping with its level."""

from warmbase.catalog.document import CodecName, CompressionEntry
from warmbase.catalog.model import Compression
from warmbase.catalog.problems import DocumentPath, Report

_HIGHEST_GZIP_LEVEL = 9


def resolve_compression(written: CodecName | CompressionEntry, path: DocumentPath, report: Report) -> Compression:
    """What `written` means; a level that its codec does not have is reported."""
    if isinstance(written, str):
        return Compression(codec=written)
    if written.codec == "gzip" and written.level > _HIGHEST_GZIP_LEVEL:
        message = f"gzip has no level {written.level}"
        report.add((*path, "level"), message, f"write a number from 1 to {_HIGHEST_GZIP_LEVEL}")
    return Compression(codec=written.codec, level=written.level)
