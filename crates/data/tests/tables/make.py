"""Writes the tables beside this file, all with the same columns: `pip install pyarrow pandas`, then `python make.py`.

Written by pyarrow 26 and pandas 3; what they hold is stated here and nowhere computed.
"""

import datetime

import pandas
import pyarrow
import pyarrow.feather
import pyarrow.parquet

n = 12
day = datetime.date(2020, 1, 31)
frame = pandas.DataFrame(
    {
        "real": [0.5 * k - 1 for k in range(n)],
        "single": pandas.array([0.25 * k for k in range(n)], dtype="float32"),
        "whole": pandas.array([k * k for k in range(n)], dtype="int16"),
        "gaps": [None if k % 5 == 2 else 10.0 * k for k in range(n)],
        "yes": [k % 3 == 0 for k in range(n)],
        "name": [["red", "Blue", "green"][k % 3] for k in range(n)],
        "size": pandas.Categorical(
            [["small", "large", "medium"][k % 3] for k in range(n)], ["small", "medium", "large"], ordered=True
        ),
        "day": [day + datetime.timedelta(days=k) for k in range(n)],
        "time": [datetime.datetime(2020, 1, 31, 6 * (k % 4), 0, 0) for k in range(n)],
    }
)
table = pyarrow.Table.from_pandas(frame, preserve_index=False)
table = table.append_column("list", pyarrow.array([[k] for k in range(n)]))
for codec in ["none", "snappy", "zstd", "lz4", "gzip"]:
    pyarrow.parquet.write_table(table, f"{codec}.parquet", compression=codec, row_group_size=5)
for codec in ["uncompressed", "lz4", "zstd"]:
    pyarrow.feather.write_feather(table, f"{codec}.arrow", compression=codec, chunksize=5)
frame.to_csv("table.csv", index=False)
