"""Python's own list or dict, driven by lines of JSON: [operation, argument, ...].

Each line is answered by one line: "ok <result as JSON>" or "error <kind>", where the kind says
which of Steward's errors stands for Python's: "missing" (std::out_of_range) or "bad" (BadCall).
"""
import json
import sys


def dumps(value):
    return json.dumps(value, ensure_ascii=False)


def string_of(target):
    """As a proxy prints itself: keys keep their type, which JSON's objects do not."""
    if isinstance(target, dict):
        return "{" + ", ".join(f"{dumps(k)}: {dumps(v)}" for k, v in target.items()) + "}"
    return dumps(target)


def list_add(x, i, by):
    x[i] += by
    return x[i]


def dict_add(x, k, by):
    x[k] = x.get(k, 0) + by
    return x[k]


def compare_exchange(x, k, expected, desired):
    if k not in x or x[k] != expected:
        return False
    x[k] = desired
    return True


def update_with_twice(x, k):
    x[k] = x.get(k, 0) * 2
    return x[k]


LIST = {
    "append": list.append,
    "extend": list.extend,
    "iadd": lambda x, items: (x.__iadd__(items), None)[1],
    "insert": list.insert,
    "pop": list.pop,
    "remove": list.remove,
    "index": lambda x, v: x.index(v) if v in x else None,
    "count": list.count,
    "contains": list.__contains__,
    "sort": lambda x, reverse: x.sort(reverse=reverse),
    "reverse": list.reverse,
    "clear": list.clear,
    "copy": list.copy,
    "size": len,
    "at": list.__getitem__,
    "set": list.__setitem__,
    "add": list_add,
    "slice": lambda x, b, e, s: x[b:e:s],
    "set_slice": lambda x, b, e, items: x.__setitem__(slice(b, e), items),
    "erase": list.__delitem__,
    "erase_slice": lambda x, b, e: x.__delitem__(slice(b, e)),
    "str": string_of,
}

DICT = {
    "at": dict.__getitem__,
    "get": dict.get,
    "get_or": dict.get,
    "set": dict.__setitem__,
    "setdefault": dict.setdefault,
    "pop": dict.pop,
    "pop_or": dict.pop,
    "popitem": dict.popitem,
    "update": dict.update,
    "erase": lambda x, k: x.pop(k, x) is not x,
    "keys": list,
    "values": lambda x: list(x.values()),
    "items": lambda x: list(x.items()),
    "contains": dict.__contains__,
    "size": len,
    "clear": dict.clear,
    "add": dict_add,
    "compare_exchange": compare_exchange,
    "update_with_twice": update_with_twice,
    "str": string_of,
}


def answer(target, operations, line):
    operation, *arguments = json.loads(line)
    try:
        return "ok " + dumps(operations[operation](target, *arguments))
    except ValueError:
        return "error bad" if operation == "slice" else "error missing"
    except LookupError:
        return "error missing"


def main():
    target, operations = ([], LIST) if sys.argv[1] == "list" else ({}, DICT)
    for line in sys.stdin:
        print(answer(target, operations, line), flush=True)


main()
