"""Can the comparison fail?

usage: python3 test_judge.py
"""

import unittest

from judge import judge, keys, read_equivalent, read_report

LISTED = {"a.rs: replace f -> bool with true": "-old\n+new", "a.rs: delete ! in g": "-!x\n+x"}
TRUE, NOT = LISTED


class Judge(unittest.TestCase):
    def test_all_noticed_is_right(self):
        self.check({TRUE: "caught", NOT: "timeout"}, {}, [])

    def test_a_survivor_fails_with_its_difference(self):
        self.check({TRUE: "missed", NOT: "caught"}, {}, [f"survives: {TRUE}\n-old\n+new"])

    def test_one_that_changes_nothing_may_survive(self):
        self.check({TRUE: "missed", NOT: "caught"}, {TRUE: "because"}, [])

    def test_a_line_about_one_that_is_noticed_is_stale(self):
        self.check({TRUE: "caught", NOT: "caught"}, {TRUE: "because"}, [f"stale: is not a survivor but caught: {TRUE}"])
        self.check({TRUE: "unviable", NOT: "caught"}, {TRUE: "because"}, [f"stale: is not a survivor but unviable: {TRUE}"])

    def test_a_line_about_what_was_not_tried_may_stay(self):
        self.check({NOT: "caught"}, {TRUE: "because"}, [])

    def test_a_line_about_none_is_stale(self):
        self.check({TRUE: "caught"}, {"a.rs: gone": "because"}, ["stale: there is no such mutant: a.rs: gone"])

    def test_no_report_fails(self):
        self.check({}, {}, ["no report: no mutant was tried"])
        self.check({"b.rs: of another part": "caught"}, {}, ["no report: no mutant was tried"])

    def test_nothing_viable_fails(self):
        self.check({TRUE: "unviable"}, {}, ["no viable mutant: what was tried does not compile, and tells nothing"])

    def check(self, outcomes, equivalent, expected):
        self.assertEqual(judge(LISTED, outcomes, equivalent), expected)


class Reading(unittest.TestCase):
    def test_a_key_has_no_line_and_says_which_of_several(self):
        names = ["a.rs:1:2: replace == with != in f", "a.rs:9:9: delete ! in f", "a.rs:30:4: replace == with != in f"]
        self.assertEqual(
            keys([{"name": name} for name in names]),
            ["a.rs: replace == with != in f (1 of 2)", "a.rs: delete ! in f", "a.rs: replace == with != in f (2 of 2)"],
        )

    def test_a_report_is_read(self):
        mutant = {"scenario": {"Mutant": {"name": "a.rs:1:2: x"}}, "summary": "MissedMutant", "phase_results": [{"duration": 2}, {"duration": 3}]}
        baseline = {"scenario": "Baseline", "summary": "Success", "phase_results": []}
        self.assertEqual(read_report({"outcomes": [baseline, mutant]}), {"a.rs:1:2: x": ("missed", 5)})
        with self.assertRaises(KeyError):
            read_report({"outcomes": [{**mutant, "summary": "Failure"}]})

    def test_a_list_gives_reasons(self):
        self.assertEqual(read_equivalent("# head\n\na.rs: x\n    one\n    two\nb.rs: y\n    three\n"), {"a.rs: x": "one two ", "b.rs: y": "three "})
        for text in ["a.rs: x\n", "a.rs: x\nb.rs: y\n    one\n", "    one\n", "a.rs: x\n    one\na.rs: x\n    two\n"]:
            with self.assertRaises(ValueError):
                read_equivalent(text)


if __name__ == "__main__":
    unittest.main()
