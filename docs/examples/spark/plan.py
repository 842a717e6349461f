"""Plans as `replaysafe plan` does, on Apache Spark: the same component in each task, the same plan.

usage: plan.py --component replaysafe.wasm --planning replaysafe-planning.wasm --desired FILES --observed FILES --output plan.json
       README.md beside this file tells the rest, --help every option

The component gives each resource keys: two that may be one have one in common. What shares a key, directly or by way of others,
is a cluster; rows are partitioned by it, and each task plans the clusters that it has. Who is referred to is known from a first
round, and what refers is planned again in a second one. Nothing is sent: `replaysafe apply` carries the plan out.
"""

import argparse
import hashlib
import json
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path

import parts
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

# In the order of a plan: what takes access away comes first, but for deletions, which come last (S34).
CLASSES = ["revoke", "disable", "create", "adopt", "update", "grant", "delete"]
CONCLUSIONS = ["unchanged", "ambiguous", "blocked", "kept"]
# Rounds grow with the logarithm of the longest chain: no population needs as many.
ROUNDS_MOST = 40


def main(words=None):
    given = arguments(words)
    settings = read_settings(given)
    builder = SparkSession.builder.appName("replaysafe plan").config("spark.ui.showConsoleProgress", "false")
    spark = (builder.master(given.master) if given.master else builder).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    spark.conf.set("spark.sql.shuffle.partitions", given.partitions)
    spark.sparkContext.addPyFile(str(Path(parts.__file__)))
    with tempfile.TemporaryDirectory() as folder:
        for path, name in ((given.component, parts.COMPONENT), (given.planning, parts.PLANNING)):
            (Path(folder) / name).write_bytes(Path(path).read_bytes())
            spark.sparkContext.addFile(str(Path(folder) / name))
        job = Job(spark, settings, given.partitions, given.work or f"{folder}/work")
        try:
            table, there = job.plan(given)
        finally:
            job.clear()
        findings, effects, summary = assemble(rows_of(table))
        guard = guarded(parts.Door(given.planning), findings, there, settings)
        plan = document(findings, effects, summary, there, guard)
        spark.stop()
    Path(given.output).write_text(parts.written(plan, str.encode, "") + "\n")
    done = ", ".join(f"{count} {what}" for what, count in plan["summary"].items() if count)
    print(f"{done or 'nothing to do'}; digest {plan['digest']}")


def arguments(words):
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--component", required=True, help="what `replaysafe component export` has written")
    options.add_argument("--planning", required=True, help="what `replaysafe component export --planning` has written")
    options.add_argument("--desired", required=True, help="what should be: NDJSON; a file, a folder, or whatever Spark reads text from")
    options.add_argument("--observed", required=True, help="what is there, as the target shows it: the same")
    options.add_argument("--output", required=True, help="the plan, as `replaysafe plan --format json` writes it")
    options.add_argument("--policy", help="the policy, in TOML")
    options.add_argument("--profile", help="what is known of the service, as `replaysafe probe` writes it")
    options.add_argument("--resource-type", help="the type of resources that do not say of which they are")
    options.add_argument("--complete", action="store_true", help="what should be has all there is (S32)")
    options.add_argument("--partitions", type=int, default=8, help="into how many tasks the work is cut")
    options.add_argument("--work", help="a folder that does not exist yet, which all machines see; without it, all of them are this one")
    options.add_argument("--master", help="for a run without spark-submit, for example local[2]")
    return options.parse_args(words)


def read_settings(given):
    """Policy, schema and profile, as the component takes them."""
    read = lambda path: tomllib.loads(Path(path).read_text()) if path else {}
    word = lambda value: value if isinstance(value, str) else json.dumps(value)
    profile = read(given.profile)
    known = [*profile.get("declared", {}).items(), *profile.get("measured", {}).items()]
    return {
        "policy": parts.Door(given.component).call("check-policy", policy=json.dumps(read(given.policy))),
        "schema": "{}",
        "profile": [{"name": name, "value": word(value)} for name, value in known],
    }


class Job:
    """What Spark does. What is used twice is written to a folder first, so that no task runs again because of it."""

    def __init__(self, spark, settings, partitions, work):
        self.spark, self.settings, self.partitions, self.work = spark, settings, partitions, work

    def plan(self, given):
        """What was found of each resource, in the order of a plan, and how much is there of each type."""
        resources = self.clusters(self.kept(self.survey(given), "resources"))
        complete = self.complete(resources) if given.complete else set()
        # Which resource is which does not depend on what they refer to: who is referred to is known from a first round.
        ids = first_ids(resources)
        found = self.kept(self.round(resources, ids, complete), "first")
        refers = resources.where("side = 'desired' and size(refers) > 0").select("cluster").distinct()
        if not refers.isEmpty():
            again = resources.join(refers, "cluster", "left_semi")
            second = self.round(again, second_ids(resources, found), complete)
            found = found.where("not refers").unionByName(self.kept(second, "second"))
        ordered = found.orderBy("type", "name", "beside", "ids", "document")
        return ordered.select("type", "external_id", "name", "ids", "relation", "conclusion", "detail", "changes").toArrow(), self.there(resources)

    def survey(self, given):
        """The resources of both sides, with what the component says of each."""
        settings, otherwise = self.settings, given.resource_type

        def side(name, path):
            lines = self.spark.read.text(path, lineSep="\n").repartition(self.partitions)
            return lines.mapInArrow(lambda batches: parts.survey(batches, name, settings, otherwise), parts.RESOURCE_COLUMNS)

        return side("desired", given.desired).unionByName(side("observed", given.observed))

    def clusters(self, resources):
        """The same with the cluster of each: the least of the keys that are joined to its own. What has no key is with nobody."""
        keyed = resources.withColumn("least", F.array_min("keys"))
        edges = keyed.select(F.explode("keys").alias("node"), F.col("least").alias("root")).where("node != root").distinct()
        roots = self.joined(self.kept(edges, "edges-0"))
        alone = F.unhex(F.sha2("document", 256))
        return self.kept(
            keyed.join(roots, keyed.least == roots.node, "left").withColumn("cluster", F.coalesce("root", "least", alone)).drop("least", "node", "root"),
            "clusters",
        )

    def joined(self, edges):
        """Connected components: each node that is no root beside its root, which is the least of its component.

        Large-star and small-star in turns (Kiveris et al., Connected Components in MapReduce and Beyond, 2014): each keeps what is
        connected, and the number of rounds grows with the logarithm of the longest chain.
        """
        for number in range(1, ROUNDS_MOST + 1):
            several = edges.groupBy("node").count().where("count > 1").select("node")
            through = edges.select("node").join(edges.select(F.col("root").alias("node")), "node", "left_semi")
            if several.unionAll(through).isEmpty():
                return edges
            edges = self.kept(small_star(large_star(edges)), f"edges-{number}")
        raise RuntimeError(f"what shares keys is not joined after {ROUNDS_MOST} rounds: there is no plan")

    def complete(self, resources):
        """The types of which it means anything that a resource is not desired: some are, and each is identified by something (S32)."""
        desired = resources.where("side = 'desired'").groupBy("type").agg(F.min(F.size("keys")).alias("least"))
        return {row.type for row in desired.where("least > 0").collect()}

    def there(self, resources):
        """How many resources of each type are there, and how many members, roles and entitlements they have. What pages that overlap show twice is there once."""
        observed = resources.where("side = 'observed'").select("type", "id", "document", "edges")
        once = observed.where("id is not null").distinct().unionAll(observed.where("id is null"))
        counted = once.groupBy("type").agg(F.count("*").alias("resources"), F.sum("edges").alias("edges"))
        return {row.type: {"resources": row.resources, "edges": row.edges} for row in counted.collect()}

    def round(self, resources, ids, complete):
        """Plans clusters, beside what is known of those that they refer to."""
        settings = self.settings
        wanted = resources.where("side = 'desired'").select("type", "cluster", F.explode("refers").alias("external_id")).distinct()
        referred = wanted.join(ids, "external_id").withColumn("side", F.lit("referred"))
        rows = resources.unionByName(referred, allowMissingColumns=True).repartition(self.partitions, "cluster")
        ordered = rows.sortWithinPartitions("type", "cluster", "side", "document", "external_id")
        return ordered.mapInArrow(lambda batches: parts.plan(batches, settings, complete), parts.FOUND_COLUMNS)

    def kept(self, frame, name):
        """A frame, written and read again."""
        frame.write.parquet(f"{self.work}/{name}")
        return self.spark.read.parquet(f"{self.work}/{name}")

    def clear(self):
        """Takes away what was written: it is personal data."""
        path = self.spark._jvm.org.apache.hadoop.fs.Path(self.work)
        path.getFileSystem(self.spark._jsc.hadoopConfiguration()).delete(path, True)


def large_star(edges):
    """Joins the larger neighbours of each node to its least one."""
    both = edges.unionAll(edges.select("root", "node"))
    least = F.least("node", F.min("root").over(Window.partitionBy("node")))
    return both.select("node", "root", least.alias("least")).where("root > node").select(F.col("root").alias("node"), F.col("least").alias("root"))


def small_star(edges):
    """Joins the smaller neighbours of each node, and the node, to its least one. In each edge a node stands before a smaller one."""
    least = edges.select("node", "root", F.min("root").over(Window.partitionBy("node")).alias("least"))
    joined = least.select(F.explode(F.array("node", "root")).alias("node"), F.col("least").alias("root"))
    return joined.where("node != root").distinct()


def carried(resources, going):
    """The external ids that resources carry: of how many types, by which resources but those that go, and whether any is desired."""
    there = resources.where("external_id is not null").join(going.withColumn("goes", F.lit(True)), ["type", "id"], "left")
    return there.groupBy("external_id").agg(
        F.countDistinct("type").alias("types"),
        F.collect_set(F.when(F.col("goes").isNull(), F.col("id"))).alias("ids"),
        F.max(F.col("side") == "desired").alias("desired"),
    )


def first_ids(resources):
    """Which resource an external id stands for, by what resources carry. An id that is null: it is to be made; not there: nobody, or several."""
    nobody = resources.select("type", "id").limit(0)
    one = carried(resources, nobody).where("types = 1 and (desired or size(ids) = 1)")
    return one.select("external_id", F.when(F.size("ids") == 1, F.col("ids")[0]).alias("id"))


def second_ids(resources, found):
    """The same, by what was found: which resource a desired one is, and which one goes."""
    beside = found.where("external_id is not null and beside")
    # Nobody is made a member who is to go, or has gone.
    goes = "array_contains(classes, 'delete') or array_contains(classes, 'disable') or conclusion = 'unchanged'"
    going = beside.where(goes).select("type", F.explode("ids").alias("id")).distinct()
    is_it = "conclusion in ('planned', 'unchanged') or relation = 'confirmed'"
    is_there, is_made = f"size(ids) = 1 and ({is_it})", "size(ids) = 0 and array_contains(classes, 'create')"
    told = found.where("external_id is not null and not beside").groupBy("external_id").agg(
        F.count("*").alias("times"),
        F.max(F.expr(f"({is_there}) or ({is_made})")).alias("told"),
        F.max(F.expr(f"case when {is_there} then ids[0] end")).alias("it"),
    )
    one = carried(resources, going).where("types = 1").join(told, "external_id", "left")
    # Who is desired twice is nobody.
    known = one.where("times = 1 and told or times is null and size(ids) = 1")
    return known.select("external_id", F.when(F.col("times").isNull(), F.col("ids")[0]).otherwise(F.col("it")).alias("id"))


def rows_of(table):
    return [row for batch in table.to_batches() for row in batch.to_pylist()]


def assemble(findings):
    """Puts the changes of all findings in their order; gives findings, effects, and how many there are of each."""
    order = []
    for position, found in enumerate(findings):
        found["changes"] = json.loads(found["changes"])
        order += [(CLASSES.index(change["class"]), position, at) for at, change in enumerate(found["changes"])]
    creates, of_finding, effects = {}, {}, []
    for number, (_, position, at) in enumerate(sorted(order), 1):
        found = findings[position]
        change, name = found["changes"][at], found["external_id"]
        before = of_finding.setdefault(position, [])
        # Its own creation comes before it anyway.
        needed = [create for needs in change["needs"] if needs != name for create in creates.get(needs, [])]
        effects.append(effect(number, found, change, sorted({*before, *needed})))
        before.append(number)
        if change["class"] == "create" and name is not None:
            creates.setdefault(name, []).append(number)
    done = Counter(effect["op"] for effect in effects) + Counter(found["conclusion"] for found in findings)
    return findings, effects, {what: done[what] for what in [*CLASSES, *CONCLUSIONS]}


def effect(number, found, change, depends_on):
    """One request of a plan, as `replaysafe apply` reads it."""
    told = {"effect": number, "op": change["class"], "resourceType": found["type"], "externalId": found["external_id"],
            "id": change.get("id"), "ifMatch": change.get("if-match")}
    if change["count"] != 1:
        told["count"] = change["count"]
    if change["takes"]:
        told["takes"] = change["takes"]
    told = {name: value for name, value in told.items() if value is not None}
    if "body" in change:
        body = parts.parse(change["body"])
        has = change["class"] != "create" and "Operations" in body
        told["operations" if has else "document"] = body["Operations"] if has else body
    names = ", ".join(change["attributes"])
    reasons = {"create": "it is desired and not there", "adopt": f"it was found by what it is called: {names}",
               "revoke": f"more than is desired: {names}", "grant": f"less than is desired: {names}"}
    if change["class"] in ("delete", "disable") and found["detail"]:
        reasons[change["class"]] = found["detail"]
    reason = reasons.get(change["class"], f"it differs: {names}")
    return {**told, "dependsOn": depends_on, "reason": reason}


def guarded(door, findings, there, settings):
    """What the guard does not let go without approval (S33)."""
    planned = Counter()
    for found in findings:
        for change in found["changes"]:
            planned[found["type"], CLASSES.index(change["class"])] += change["count"]
            if change["takes"]:
                planned[found["type"], CLASSES.index("revoke")] += change["takes"]
    nothing = {"resources": 0, "edges": 0}
    tallies = [{"resource-type": kind, "class": CLASSES[of], "planned": count, **there.get(kind, nothing), "approved": 0}
               for (kind, of), count in sorted(planned.items())]
    return [{"resourceType": one["resource-type"], "op": one["class"], **{name: one[name] for name in ("count", "there", "limit", "detail")}}
            for one in door.call("guard", tallies=tallies, now=0, settings=settings)]


def document(findings, effects, summary, there, guard):
    """The plan as `replaysafe plan --format json` writes it."""
    told = [{"resourceType": found["type"], "name": found["name"], "situation": found["relation"],
             "conclusion": found["conclusion"], "ids": found["ids"], "detail": found["detail"]} for found in findings if tells(found)]
    return {
        "summary": summary,
        "at": int(time.time() * 1000),
        # By what is to be done, and what the guard judges it by: an approval names it (S33).
        "digest": hashlib.sha256(parts.written({"effects": effects, "there": there}).encode()).hexdigest(),
        "guard": guard,
        "there": there,
        "effects": effects,
        "findings": told,
    }


def tells(found):
    """Whether the plan tells of a finding: what is as it should be is counted only."""
    return found["conclusion"] != "unchanged"


if __name__ == "__main__":
    main()
