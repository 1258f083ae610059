"""Workers that are told of what others write, as those on PostgreSQL are: real ``Worker``s in virtual time.

Their hub is a file whose writers note what there is to tell by the very code that PostgreSQL's do; ``wire``
takes the notices to the others, late, twice, in another order, or not at all.
"""
