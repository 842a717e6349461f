"""What the tasks of plan.py do: look at resources, plan parts of a population. Both are the component's; here is what a host does around it.

Nothing is kept between calls but the compiled component, once in each worker process.
"""

import functools
import hashlib
import itertools
import json

import pyarrow
from pyspark import SparkFiles
from wasmtime import Config, Engine, Store
from wasmtime.component import Component, Linker

PACKAGE = "replaysafe:provisioning"

# A group of 200,000 members with all that is made of it while it is planned: as much as the library allows.
MEMORY_BYTES_MOST = 1536 << 20
# Some minutes of work: what is largest takes half a minute. Fuel, so that a task ends at the same place wherever it runs.
FUEL_MOST = 400_000_000_000
# One call has 128 KiB of documents and 1,000 clusters at most, as in the library, or one cluster by itself: its memory stays small.
PORTION_CHARACTERS = 128 << 10
PORTION_ITEMS = 1_000

TEXT, TEXTS = pyarrow.string(), pyarrow.list_(pyarrow.string())
# A resource, and what the component says of it.
RESOURCE = pyarrow.schema([
    ("type", TEXT), ("side", TEXT), ("document", TEXT), ("external_id", TEXT), ("id", TEXT),
    ("keys", pyarrow.list_(pyarrow.binary())), ("refers", TEXTS), ("edges", pyarrow.int64()),
])
# What was found of a resource. The first five are its place in a plan; `beside`: it is not desired; `changes` is JSON.
FOUND = pyarrow.schema([
    ("type", TEXT), ("name", TEXT), ("beside", pyarrow.bool_()), ("ids", TEXTS), ("document", TEXT),
    ("external_id", TEXT), ("relation", TEXT), ("conclusion", TEXT), ("detail", TEXT), ("refers", pyarrow.bool_()),
    ("classes", TEXTS), ("changes", TEXT),
])
# What Spark makes of them.
RESOURCE_COLUMNS = "type string, side string, document string, external_id string, id string, keys array<binary>, refers array<string>, edges bigint"
FOUND_COLUMNS = (
    "type string, name string, beside boolean, ids array<string>, document string, external_id string, relation string, "
    "conclusion string, detail string, refers boolean, classes array<string>, changes string"
)
# The files of the components, as the job hands them to its machines.
COMPONENT, PLANNING = "replaysafe.wasm", "replaysafe-planning.wasm"


class Door:
    """A component. Each call has an instance of its own, with limits: after a trap nothing of it is left."""

    def __init__(self, path):
        config = Config()
        config.consume_fuel = True
        self.engine = Engine(config)
        self.component = Component.from_file(self.engine, path)
        # Empty, and it stays so: a component that imports anything does not start.
        self.linker = Linker(self.engine)

    def call(self, function, **parameters):
        store = Store(self.engine)
        store.set_limits(memory_size=MEMORY_BYTES_MOST)
        store.set_fuel(FUEL_MOST)
        instance = self.linker.instantiate(store, self.component)
        interface = instance.get_export_index(store, f"{PACKAGE}/json@0.1.0")
        call = instance.get_func(store, instance.get_export_index(store, "call", interface))
        given = json.loads(call(store, function, json.dumps(parameters, ensure_ascii=False)))
        if "err" in given:
            raise ValueError(f"{function}: the host broke the contract: {given['err']}")
        return given["ok"]


@functools.cache
def door(name):
    """Compiled once in each worker process: it takes seconds."""
    return Door(SparkFiles.get(name))


def survey(batches, side, settings, otherwise):
    """Lines of resources as rows of RESOURCE. `otherwise`: the type of a resource that does not say which it is."""
    for batch in batches:
        by_type = {}
        for line in batch.column(0).to_pylist():
            if line.strip():
                resource = read(line, side)
                by_type.setdefault(kind(resource, side, otherwise), []).append((line.removesuffix("\r"), resource))
        for resource_type, resources in sorted(by_type.items()):
            ways = secret_ways(resource_type, json.dumps(settings))
            documents = [without_secrets(line, resource, ways) for line, resource in resources]
            for portion in portions(documents, len):
                traits = door(PLANNING).call("survey", **{"resource-type": resource_type}, resources=portion, settings=settings)
                yield rows([row(resource_type, side, *pair) for pair in zip(portion, traits)], RESOURCE)


def row(resource_type, side, document, trait):
    if trait is None:
        raise ValueError(unreadable(document, side))
    # A key by its digest: only equality counts.
    keys = sorted({hashlib.sha256(key.encode()).digest()[:16] for key in trait["keys"]})
    return {"type": resource_type, "side": side, "document": document, "external_id": trait.get("external-id"),
            "id": trait.get("id"), "keys": keys, "refers": trait["refers"], "edges": trait["edges"]}


def plan(batches, settings, complete):
    """Clusters of resources as rows of FOUND. `complete`: the types of which all that should be was read.

    Rows of one cluster stand together, clusters of one type too. Beside its resources a cluster has a row for each external id
    that they refer to and of which it is known which resource it stands for: its side is `referred`.
    """
    told = (row for batch in batches for row in batch.to_pylist())
    by_type = itertools.groupby(told, lambda row: row["type"])
    for resource_type, of_type in by_type:
        clusters = (once(rows) for _, rows in itertools.groupby(of_type, lambda row: row["cluster"]))
        for portion in portions(clusters, lambda cluster: sum(len(row["document"] or "") for row in cluster)):
            yield rows(found(resource_type, portion, resource_type in complete, settings), FOUND)


def once(cluster):
    """A cluster, but that what was shown twice is there once: pages that overlap show the same resource again."""
    kept, seen = [], set()
    for row in cluster:
        if row["side"] != "observed" or row["id"] is None or row["document"] not in seen:
            kept.append(row)
        if row["side"] == "observed":
            seen.add(row["document"])
    return kept


def found(resource_type, clusters, complete, settings):
    """Plans clusters in one call."""
    side = lambda name: [row for cluster in clusters for row in cluster if row["side"] == name]
    desired, observed = side("desired"), side("observed")
    referred = {row["external_id"]: row["id"] for row in side("referred")}
    links = [{"external-id": name, **({} if id is None else {"id": id})} for name, id in sorted(referred.items())]
    part = {"resource-type": resource_type, "desired": [row["document"] for row in desired],
            "observed": [row["document"] for row in observed], "links": [], "referred": links, "complete": complete,
            "settings": settings}
    referring = {row["cluster"] for row in desired if row["refers"]}
    result = []
    for finding in door(PLANNING).call("plan", part=part):
        # Empty lists are left out.
        there = [observed[at] for at in finding.get("observed", [])]
        changes = [{"needs": [], "attributes": [], **change} for change in finding.get("changes", [])]
        about = desired[finding["desired"]] if "desired" in finding else there[0]
        result.append({
            "type": resource_type, "name": finding["name"], "beside": "desired" not in finding,
            "ids": sorted(row["id"] for row in there if row["id"] is not None), "document": about["document"],
            "external_id": about["external_id"], "relation": finding["relation"], "conclusion": finding["conclusion"],
            "detail": finding["detail"], "refers": about["cluster"] in referring,
            "classes": [change["class"] for change in changes],
            "changes": json.dumps(changes, ensure_ascii=False),
        })
    return result


def rows(of, schema):
    return pyarrow.RecordBatch.from_pylist(of, schema=schema)


def portions(items, size):
    """Cuts into lists of bounded size; what is larger than one is a list by itself."""
    portion, total = [], 0
    for item in items:
        total += size(item)
        if portion and (PORTION_CHARACTERS < total or PORTION_ITEMS <= len(portion)):
            yield portion
            portion, total = [], size(item)
        portion.append(item)
    if portion:
        yield portion


class Exact(str):
    """A number, by its text: all digits are kept."""


def parse(text):
    """JSON as the component reads it, so that nothing is taken for something else before it comes there."""

    def members(pairs):
        if len({lower(name) for name, _ in pairs}) < len(pairs):
            raise ValueError("a member twice")
        return dict(pairs)

    def no_number(word):
        raise ValueError(f"{word} is no number")

    return json.loads(text, object_pairs_hook=members, parse_int=Exact, parse_float=Exact, parse_constant=no_number)


def written(value, order=lambda name: name.encode("utf-16-be"), indent=None):
    """JSON text: canonical (RFC 8785), or with members in another order, or over several lines."""
    if isinstance(value, Exact):
        return str(value)
    if not isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    inner = None if indent is None else indent + "  "
    if isinstance(value, dict):
        colon = ":" if indent is None else ": "
        names = sorted(value, key=order)
        items = [json.dumps(name, ensure_ascii=False) + colon + written(value[name], order, inner) for name in names]
    else:
        items = [written(item, order, inner) for item in value]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    if indent is None or not items:
        return begin + ",".join(items) + end
    return f"{begin}\n{inner}" + f",\n{inner}".join(items) + f"\n{indent}{end}"


def read(line, side):
    """A line as a resource."""
    try:
        resource = parse(line)
    except (ValueError, RecursionError):
        resource = None
    message = "urn:ietf:params:scim:api:messages:"
    schemas = find(resource, "schemas")
    is_message = any(isinstance(urn, str) and urn.lower().startswith(message) for urn in schemas or [])
    is_list = find(resource, "Resources") is not None or find(resource, "totalResults") is not None
    if not isinstance(resource, dict) or is_message or is_list:
        raise ValueError(unreadable(line, side))
    return resource


def unreadable(line, side):
    """Tells which line it is without telling what it says."""
    digest = hashlib.sha256(line.encode(errors="replace")).hexdigest()
    return f"{side}: a line cannot be read as a resource; its SHA-256 is {digest}"


def find(value, name):
    """A member, whatever its letter case."""
    if isinstance(value, dict):
        return next((value[spelled] for spelled in value if lower(spelled) == lower(name)), None)
    return None


def lower(name):
    """A name in lower case, but for letters that are not ASCII."""
    return name.encode().lower()


def kind(resource, side, otherwise):
    """The type that a resource says it is of: `meta.resourceType`, else the last part of its core schema's URN."""
    told = find(find(resource, "meta"), "resourceType")
    schemas = find(resource, "schemas")
    urns = [urn for urn in schemas if isinstance(urn, str)] if isinstance(schemas, list) else []
    core = next((urn.rpartition(":")[2] for urn in urns if ":core:" in urn.rpartition(":")[0]), None)
    name = (told if isinstance(told, str) and not isinstance(told, Exact) else core) or otherwise
    if not name:
        raise ValueError(f"{side}: a resource does not say of which type it is: name the type by --resource-type")
    return next((known for known in ("User", "Group") if lower(known) == lower(name)), name)


@functools.cache
def secret_ways(resource_type, settings):
    """Where secrets are in a resource (S3a): lists of steps, a member's name or `each`. A resource is no PatchOp, so no path has another step."""
    paths = door(COMPONENT).call("secret-paths", **{"resource-type": resource_type}, settings=json.loads(settings))
    plain = lambda step: step == "each" or "member" in step
    return [[step if step == "each" else (step["member"],) for step in path] for path in paths if all(map(plain, path))]


def without_secrets(line, resource, ways):
    """A document with a mark where a secret stood; as it was where none did."""
    lifted = []
    changed = lift(resource, ways, lifted)
    return written(changed) if lifted else line


def lift(value, ways, lifted):
    if not isinstance(value, list):
        # A value that is no list is its own one element.
        ways = [list(itertools.dropwhile(lambda step: step == "each", way)) for way in ways]
    if not ways or value is None:
        return value
    if any(not way for way in ways):
        lifted.append(value)
        return {"$secret": ""}
    if isinstance(value, list):
        into = [way[1:] for way in ways if way[0] == "each"]
        again = [way for way in ways if way[0] == "each"]
        return [lift(item, into + again * isinstance(item, list), lifted) for item in value]
    if isinstance(value, dict):
        return {name: lift(inner, [way[1:] for way in ways if way[0] != "each" and names(name, *way[0])], lifted)
                for name, inner in value.items()}
    return value


def names(name, wanted):
    """Whether a member is `wanted`, or a part of it."""
    bare = name.strip()
    if "[" in name or any(map(str.isspace, name)) or bare.startswith(("/", "#/", "$.", "$[")):
        # It may be a path, which this example does not read, and lead to a secret.
        raise ValueError("a member's name has white space, or reads as a path, and no attribute's does: rename it")
    return lower(name) == lower(wanted) or lower(name).startswith(lower(wanted) + b".")
