"""Translates a column of Parquet files on Spark: spark-submit spark_job.py --help.

Every row keeps its other columns and gets its translation. The output folder has the file _SUCCESS
when all of it is there. If a worker dies, Spark runs its partition again.
"""

import argparse
import functools
import importlib.util

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from keras_seq2seq.bulk import translate_frames

ROWS_PER_FRAME = 2048


def translated(
    rows: DataFrame, bundle: str, source: str, target: str, **options: object
) -> DataFrame:
    """Returns rows with a column of translations.

    Args:
        rows: With the column `source`.
        bundle: The exported folder, as the workers see it.
        source, target: Names of the column of texts and of the new one.
        **options: Those of `keras_seq2seq.load`.
    """
    schema = StructType([*rows.schema.fields, StructField(target, StringType())])
    translate = functools.partial(
        translate_frames, bundle=bundle, source=source, target=target, **options
    )
    return rows.mapInPandas(translate, schema)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", required=True, help="exported folder, as the workers see it")
    parser.add_argument("--input", nargs="+", required=True, help="Parquet files or folders")
    parser.add_argument("--output", required=True, help="folder to create")
    parser.add_argument("--source", default="text", help="column of texts (default: %(default)s)")
    parser.add_argument("--target", default="translation", help="new column (default: %(default)s)")
    parser.add_argument("--runtime", help="such as onnx (default: the first that is installed)")
    parser.add_argument("--quantization", default="float32", help="default: %(default)s")
    parser.add_argument("--partitions", type=int, help="tasks (default: as Spark reads the files)")
    given = parser.parse_args()
    if importlib.util.find_spec("pandas") is None:
        parser.error("mapInPandas needs pandas and pyarrow: pip install pandas pyarrow")
    spark = (
        SparkSession.builder.appName("keras_seq2seq")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(ROWS_PER_FRAME))
        .getOrCreate()
    )
    rows = spark.read.parquet(*given.input)
    if given.partitions:
        rows = rows.repartition(given.partitions)
    options = {"runtime": given.runtime, "quantization": given.quantization}
    translated(rows, given.bundle, given.source, given.target, **options).write.parquet(
        given.output
    )
    spark.stop()


if __name__ == "__main__":
    main()
