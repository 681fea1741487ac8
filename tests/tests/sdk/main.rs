//! The official SDKs decide whether an event is a provider's: each in an app of its own, of Express or Flask, and each a story.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod story;

use story::{node, python};

macro_rules! stories {
    ($($name:ident: $story:expr;)*) => { $(
        #[test]
        fn $name() {
            $story.told();
        }
    )* };
}

stories! {
    stripe_node: node("stripe", "payment_intent.succeeded").secret("STRIPE_WEBHOOK_SECRET", "whsec_8hFq2LwZ0aPn4Rk1Sd7T").tolerant().set("data.object.amount=4200");
    octokit: node("github", "push").secret("GITHUB_WEBHOOK_SECRET", "It's a Secret to Everybody").set("ref=refs/heads/other");
    shopify: node("shopify", "orders/create").secret("SHOPIFY_API_SECRET", "hush_3a9d5c1f").set("note=edited");
    twilio_node: node("twilio", "IncomingMessage").secret("TWILIO_AUTH_TOKEN", "a3f1c2d4e5b60718293a4b5c6d7e8f90").set("Body=Hello you");
    slack_bolt_events: node("slack", "app_mention").secret("SLACK_SIGNING_SECRET", "8f742231b10e8888abcd99aabbcc85a5").tolerant().set("event.text=edited");
    slack_bolt_commands: node("slack", "command").secret("SLACK_SIGNING_SECRET", "8f742231b10e8888abcd99aabbcc85a5").tolerant().set("text=production");
    standardwebhooks_node: node("standard-webhooks", "user.upgraded").secret("STANDARD_WEBHOOKS_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").tolerant().set("type=user.edited");
    svix_node: node("svix", "invoice.paid").secret("SVIX_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").tolerant().set("type=invoice.edited");
    discord: node("discord", "command").set("data.name=edited");
    line: node("line", "message").secret("LINE_CHANNEL_SECRET", "8c570fa6dd201bb328f1c1eac23a96d8").set("destination=edited");
    paddle: node("paddle", "transaction.completed").secret("PADDLE_WEBHOOK_SECRET", "pdl_ntfset_01hq8_v5nqkR7x").tolerant().set("event_type=transaction.paid");
    sendgrid: node("sendgrid", "delivered").set("0.response=edited");
    square: node("square", "payment.created").secret("SQUARE_WEBHOOK_SIGNATURE_KEY", "asdf1234qwer5678zxcv").set("merchant_id=edited");
    razorpay: node("razorpay", "payment.captured").secret("RAZORPAY_WEBHOOK_SECRET", "rzp_3a9d5c1f").set("account_id=acc_edited");
    workos: node("workos", "user.created").secret("WORKOS_WEBHOOK_SECRET", "wos_3a9d5c1f").tolerant().set("event=user.updated");
    adyen: node("adyen", "AUTHORISATION").secret("ADYEN_HMAC_KEY", "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056").set("notificationItems.0.NotificationRequestItem.merchantReference=edited");
    braintree: node("braintree", "subscription_charged_successfully").secret("BRAINTREE_KEY_PAIR", "integration_public_key|integration_private_key");
    linear: node("linear", "Issue.create").secret("LINEAR_WEBHOOK_SECRET", "lin_wh_3a9d5c1f").tolerant().set("action=edited");
    notion: node("notion", "page.created").secret("NOTION_WEBHOOK_SECRET", "secret_3a9d5c1f").set("type=page.edited");
    hubspot: node("hubspot", "contact.creation").secret("HUBSPOT_CLIENT_SECRET", "5d1a2c3f-9b8e-4a7d").tolerant().set("0.subscriptionType=contact.edited");
    plivo: node("plivo", "StartApp").secret("PLIVO_AUTH_TOKEN", "NzU2ZDFkNDQ2OTk4").set("CallStatus=edited");
    messagebird: node("messagebird", "delivered").secret("MESSAGEBIRD_SIGNING_KEY", "PlLrKaqvZNRR5zAjm42ZT6q1SQxgbbGd");
    livekit: node("livekit", "room_started").secret("LIVEKIT_API_SECRET", "lk_3a9d5c1f8e7b6a5d4c3f2e1d0c9b8a7f").params(&[("api_key", "APIkey1")]).set("event=room_finished");
    qstash: node("qstash", "orders").secret("QSTASH_CURRENT_SIGNING_KEY", "sig_3a9d5c1f8e7b");
    gocardless: node("gocardless", "payments.confirmed").secret("GOCARDLESS_WEBHOOK_SECRET", "gc_3a9d5c1f").set("events.0.action=edited");
    pusher: node("pusher", "channel_occupied").secret("PUSHER_SECRET", "0f6a7b8c9d").params(&[("key", "pusherkey1")]).set("events.0.name=edited");
    mux: node("mux", "video.asset.created").secret("MUX_WEBHOOK_SECRET", "mux_3a9d5c1f").tolerant().set("type=video.asset.edited");
    openai: node("openai", "response.completed").secret("OPENAI_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").tolerant().set("type=response.edited");
    contentful: node("contentful", "ContentManagement.Entry.publish").secret("CONTENTFUL_WEBHOOK_SIGNING_SECRET", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").tolerant().set("sys.id=edited");
    stripe_python: python("stripe", "invoice.paid").secret("STRIPE_WEBHOOK_SECRET", "whsec_8hFq2LwZ0aPn4Rk1Sd7T").tolerant().set("data.object.amount_paid=4200");
    twilio_python: python("twilio", "IncomingMessage").secret("TWILIO_AUTH_TOKEN", "a3f1c2d4e5b60718293a4b5c6d7e8f90").set("Body=Hello you");
    slack_sdk_python: python("slack", "command").secret("SLACK_SIGNING_SECRET", "8f742231b10e8888abcd99aabbcc85a5").tolerant().set("text=production");
    svix_python: python("svix", "invoice.paid").secret("SVIX_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").tolerant().set("type=invoice.edited");
    standardwebhooks_python: python("standard-webhooks", "user.upgraded").secret("STANDARD_WEBHOOKS_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").tolerant().set("type=user.edited");
}
