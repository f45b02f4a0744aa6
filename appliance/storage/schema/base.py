"""What every table is made of."""

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData()

# SQLite auto-numbers only an INTEGER PRIMARY KEY; elsewhere row ids are 64-bit.
RowId = BigInteger().with_variant(Integer, "sqlite")
