"""A small shop with every way of staying signed in; all values are made up and fixed by a seed."""
import base64
import hashlib
import hmac
import json
import random

from flask import Flask, Response, jsonify, make_response, redirect

rng = random.Random(20240611)
ALPHA = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def token(length):
    return "".join(rng.choice(ALPHA) for _ in range(length))


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(claims):
    body = b64(b'{"alg":"HS256","typ":"JWT"}') + "." + b64(json.dumps(claims).encode())
    return body + "." + b64(hmac.new(b"synthetic", body.encode(), hashlib.sha256).digest())


VALUES = {
    "session": token(32), "remember-me": "7|" + hashlib.sha1(b"remember").hexdigest(), "csrf": token(40),
    "access-token": jwt({"sub": "alice", "exp": 1900000000}), "refresh-token": token(48), "oauth-code": token(24),
    "device-token": token(22), "id-token": jwt({"sub": "alice", "iss": "https://shop.test"}), "cookie": token(26),
}
json.dump(VALUES, open("values.json", "w"), indent=1)
app = Flask(__name__)

PAGE = """<!doctype html><title>Shop</title><meta name="csrf-token" content="{csrf}">
<link rel="icon" href="data:,"><script src="/app.js"></script><p>Hello \\ "quoted" \t tab</p>"""

@app.get("/")
def home():
    response = make_response(PAGE.format(csrf=VALUES["csrf"]))
    response.set_cookie("theme", "dark")
    response.set_cookie("_ga", "GA1.2.1804746323.1700000000")
    return response

@app.get("/app.js")
def js():
    return Response("""
window.ready = (async () => {
  const csrf = document.querySelector('meta[name=csrf-token]').content;
  await fetch('/login', {method: 'POST', headers: {'content-type': 'application/x-www-form-urlencoded', 'x-csrf-token': csrf},
    body: new URLSearchParams({user: 'alice', password: 'Correct-Horse-9', csrf_token: csrf, next: '/'})});
  const grant = await (await fetch('/token', {method: 'POST', headers: {'content-type': 'application/json'},
    body: JSON.stringify({grant_type: 'authorization_code', code: '%s', redirect_uri: location.origin + '/cb'})})).json();
  localStorage.setItem('sb-abcdefghijklmnop-auth-token', JSON.stringify(grant));
  localStorage.setItem(['CognitoIdentityServiceProvider', '4qk2t8example', 'alice', 'refreshToken'].join('.'), grant.refresh_token);
  localStorage.setItem('theme', 'dark');
  localStorage.setItem(['0-12.login.example', 'refreshtoken', 'abc----'].join('-'), JSON.stringify({credentialType: 'RefreshToken', homeAccountId: '0-12', secret: '0.%s'}));
  const form = new FormData(); form.append('access_token', grant.access_token); form.append('note', 'two words');
  await fetch('/upload', {method: 'POST', body: form});
  await fetch('/api/me?access_token=' + encodeURIComponent(grant.access_token) + '&page=2', {headers: {authorization: 'Bearer ' + grant.access_token}});
  await fetch('/blob');
  await fetch('/logo.png');
  await fetch('/cb?code=%s&state=xyz');
  history.replaceState(null, '', '/done#id_token=%s&token_type=bearer');
  return true;
})();
""" % (VALUES["oauth-code"], VALUES["device-token"] + VALUES["cookie"], VALUES["oauth-code"], VALUES["id-token"]), mimetype="text/javascript")

@app.post("/login")
def login():
    response = redirect("/", 302)
    response.set_cookie("sessionid", VALUES["session"], httponly=True, samesite="Lax")
    response.set_cookie("remember_token", VALUES["remember-me"], max_age=3600, httponly=True)
    response.set_cookie("zz", VALUES["cookie"], httponly=True)
    return response

@app.post("/token")
def grant():
    return jsonify(access_token=VALUES["access-token"], refresh_token=VALUES["refresh-token"], token_type="bearer", expires_in=3600, user={"name": "Alice \u00e9\u4e2d"})

@app.post("/upload")
def upload():
    return jsonify(ok=True)

@app.get("/api/me")
def me():
    return jsonify(user="alice", debug="you are " + VALUES["session"])

@app.get("/blob")
def blob():
    return Response(json.dumps({"device_token": VALUES["device-token"], "note": "binary"}).encode(), mimetype="application/octet-stream")

@app.get("/logo.png")
def logo():
    return Response(base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="), mimetype="image/png")

@app.get("/cb")
def cb():
    return redirect("/done?ok=1")

@app.get("/done")
def done():
    return "done"

if __name__ == "__main__":
    app.run("127.0.0.1", 8765)
