# Verifies every DKIM signature of a mail against a zone given as JSON.
import json, sys, dkim
mail, zone = open(sys.argv[1], "rb").read(), json.load(open(sys.argv[2]))
lookup = lambda name, timeout=5: zone.get(name.decode().rstrip(".")).encode()
out = {}
signatures = [v for k, v in dkim.rfc822_parse(mail)[0] if k.lower() == b"dkim-signature"]
for i, value in enumerate(signatures):
    tags = dkim.util.parse_tag_value(value)
    try:
        out[tags[b"a"].decode()] = dkim.DKIM(mail).verify(idx=i, dnsfunc=lookup)
    except dkim.DKIMException as e:
        print(e, file=sys.stderr)
        out[tags[b"a"].decode()] = False
print(json.dumps(out))
