"""A Flask app that lets each provider's official SDK decide: POST /stripe is verified by the stripe package.

SECRET is what an app would be set up with. The port is the first line on standard output.
"""

import os

from flask import Flask, request
from werkzeug.serving import make_server

app = Flask(__name__)
secret = os.environ["SECRET"]


class Refused(Exception):
    pass


def must(valid):
    if not valid:
        raise Refused("the signature does not verify")


# SDKs are loaded when they are asked for the first time. Each returns the type of the event, or raises.
def stripe():
    import stripe

    return stripe.Webhook.construct_event(request.data, request.headers["Stripe-Signature"], secret)["type"]


def twilio():
    from twilio.request_validator import RequestValidator

    signature = request.headers.get("X-Twilio-Signature", "")
    body = request.get_data(as_text=True) if request.is_json else request.form
    must(RequestValidator(secret).validate(request.url, body, signature))
    return "json" if request.is_json else "form"


def slack():
    from slack_sdk.signature import SignatureVerifier

    must(SignatureVerifier(secret).is_valid_request(request.get_data(), dict(request.headers)))
    return request.get_json()["type"] if request.is_json else request.form.get("command", "payload")


def svix():
    from svix.webhooks import Webhook

    # It raises, and gives nothing back.
    Webhook(secret).verify(request.data, dict(request.headers))
    return request.get_json()["type"]


def standard_webhooks():
    from standardwebhooks.webhooks import Webhook

    return Webhook(secret).verify(request.data, dict(request.headers))["type"]


def route(verify):
    def answer():
        # Raw, before anything parses it as a form.
        request.get_data()
        try:
            return {"ok": True, "type": verify()}
        except Exception as error:
            return f"{verify.__name__}: {error}", 400

    app.post("/" + verify.__name__.replace("_", "-"), endpoint=verify.__name__)(answer)


for one in (stripe, twilio, slack, svix, standard_webhooks):
    route(one)

server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.port, flush=True)
server.serve_forever()
