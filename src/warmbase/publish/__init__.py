"""The publish stage: verified images become tags in a registry, and the journal says when and why.

publish   images → manifests by digest → index → content tag, dated tag → journal → rolling tags
promote   the same from one registry or tag to another, by digest
rollback  rolling tags back to an entry of the journal, by a new entry
yank      a referrer that says what is wrong with an image
gc        what no tag, no recent entry and no index needs any more
"""
