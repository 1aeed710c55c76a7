"""Take out of the recordings what tells of the machine, and write where their secrets are.

A secret is labelled in every place where the shop or the page wrote it; where one lies
within another, the outer. In a body in base64, the range is from the first group of four
characters that holds of the secret, to the end; ``plain`` is the secret.
"""
import base64
import json
import re

VALUES = json.load(open("values.json"))
SECRETS = {
    "refresh-token of a cache": "0." + VALUES["device-token"] + VALUES["cookie"],
    "password": "Correct-Horse-9",
} | VALUES
PRIVATE = (
    (rb"Werkzeug/[\d.]+ Python/[\d.]+", b"Werkzeug"),
    (rb'"version":"1\.\d\d\.\d"', b'"version":"1.0.0"'),
    (rb'"version":"\d+\.0\.\d+\.\d+"', b'"version":"100.0.0.0"'),
    (rb'(Chromium\\";v=\\")\d+', rb"\g<1>100"),
    (rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", b"2024-06-11T10:00:00.000Z"),
    (rb"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d GMT", b"Tue, 11 Jun 2024 10:00:00 GMT"),
    (rb"page@[0-9a-f]{32}", b"page@1"),
    (rb'("expires": )\d+\.\d+', rb"\g<1>1718103600.5"),
)
BODY = re.compile(rb'"encoding":"base64","text":"([^"]*)"|"text":"([^"]*)","encoding":"base64"')


def plain_labels(data):
    labels = []
    for kind, value in SECRETS.items():
        for place in re.finditer(re.escape(value.encode()), data):
            start, end = place.span()
            if not any(label["start"] <= start and end <= label["end"] for label in labels):
                labels.append({"start": start, "end": end, "kind": kind})
    return labels


def encoded_labels(data):
    for body in BODY.finditer(data):
        start, end = body.span(body.lastindex)
        plain = base64.b64decode(data[start:end]).decode("latin-1")
        places = sorted((plain.index(value), kind) for kind, value in SECRETS.items() if value in plain)
        for place, kind in places[:1]:
            yield {"start": start + place // 3 * 4, "end": end, "kind": kind, "plain": SECRETS[kind]}


for name in ("shop.har", "storage-state.json"):
    data = open(name, "rb").read()
    for pattern, instead in PRIVATE:
        data = re.sub(pattern, instead, data)
    labels = sorted([*plain_labels(data), *encoded_labels(data)], key=lambda label: label["start"])
    open(name, "wb").write(data)
    with open(f"{name}.secrets.json", "w") as file:
        file.write("[\n" + ",\n".join(map(json.dumps, labels)) + "\n]\n")
