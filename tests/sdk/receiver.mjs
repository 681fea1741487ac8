// An Express app that lets each provider's official SDK decide: POST /stripe is verified by the stripe package.
// SECRET and PARAMS (JSON) are what an app would be set up with. The port is the first line on standard output.
import { createSecretKey } from 'node:crypto';
import express from 'express';

const { SECRET: secret = '', PARAMS = '{}' } = process.env;
const params = JSON.parse(PARAMS);

const json = (req) => JSON.parse(req.body.toString());
const form = (req) => Object.fromEntries(new URLSearchParams(req.body.toString()));
const url = (req) => `${req.protocol}://${req.get('host')}${req.originalUrl}`;
/** For SDKs that answer yes or no. */
const must = (valid, event) => {
  if (!valid) throw new Error('the signature does not verify');
  return event;
};

// SDKs are loaded when they are asked for the first time. Each gives the event, or throws.
const providers = {
  async stripe(req) {
    const { Stripe } = await import('stripe');
    return new Stripe('sk_test_none').webhooks.constructEvent(req.body, req.get('stripe-signature'), secret);
  },
  async github(req) {
    const { verify } = await import('@octokit/webhooks-methods');
    const valid = await verify(secret, req.body.toString(), req.get('x-hub-signature-256') ?? '');
    return must(valid, { type: req.get('x-github-event') });
  },
  async shopify(req, res) {
    await import('@shopify/shopify-api/adapters/node');
    const { shopifyApi, ApiVersion } = await import('@shopify/shopify-api');
    const apiVersion = Object.values(ApiVersion).at(-1);
    const options = { apiKey: 'none', apiSecretKey: secret, hostName: 'app.example.com', isEmbeddedApp: false, apiVersion };
    const quiet = { logger: { log: () => {} } };
    const found = await shopifyApi({ ...options, ...quiet }).webhooks.validate({
      rawBody: req.body.toString(),
      rawRequest: req,
      rawResponse: res,
    });
    if (!found.valid) throw new Error(found.reason);
    return { type: found.topic };
  },
  async twilio(req) {
    const { default: twilio } = await import('twilio');
    const signature = req.get('x-twilio-signature') ?? '';
    const valid = req.is('json')
      ? twilio.validateRequestWithBody(secret, signature, url(req), req.body.toString())
      : twilio.validateRequest(secret, signature, url(req), form(req));
    return must(valid, { type: req.is('json') ? 'json' : 'form' });
  },
  async slack(req) {
    const { verifySlackRequest } = await import('@slack/bolt');
    verifySlackRequest({ signingSecret: secret, body: req.body.toString(), headers: req.headers });
    return req.is('json') ? json(req) : { type: form(req).command ?? 'payload' };
  },
  async 'standard-webhooks'(req) {
    const { Webhook } = await import('standardwebhooks');
    return new Webhook(secret).verify(req.body.toString(), req.headers);
  },
  async svix(req) {
    const { Webhook } = await import('svix');
    return new Webhook(secret).verify(req.body.toString(), req.headers);
  },
  async discord(req) {
    const { verifyKey } = await import('discord-interactions');
    const valid = await verifyKey(req.body, req.get('x-signature-ed25519'), req.get('x-signature-timestamp'), secret);
    return must(valid, json(req));
  },
  async line(req) {
    const { validateSignature } = await import('@line/bot-sdk');
    return must(validateSignature(req.body, secret, req.get('x-line-signature')), json(req));
  },
  async paddle(req) {
    const { Paddle, LogLevel } = await import('@paddle/paddle-node-sdk');
    const { webhooks } = new Paddle('none', { logLevel: LogLevel.none });
    const event = await webhooks.unmarshal(req.body.toString(), secret, req.get('paddle-signature'));
    return { type: must(event, event).eventType };
  },
  async sendgrid(req) {
    const { EventWebhook, EventWebhookHeader } = await import('@sendgrid/eventwebhook');
    const webhook = new EventWebhook();
    const key = webhook.convertPublicKeyToECDSA(secret);
    const [signature, timestamp] = [EventWebhookHeader.SIGNATURE(), EventWebhookHeader.TIMESTAMP()].map((h) => req.get(h));
    return must(webhook.verifySignature(key, req.body, signature, timestamp), { type: json(req)[0].event });
  },
  async square(req) {
    const { WebhooksHelper } = await import('square');
    const valid = await WebhooksHelper.verifySignature({
      requestBody: req.body.toString(),
      signatureHeader: req.get('x-square-hmacsha256-signature'),
      signatureKey: secret,
      notificationUrl: url(req),
    });
    return must(valid, json(req));
  },
  async razorpay(req) {
    const { default: Razorpay } = await import('razorpay');
    const valid = Razorpay.validateWebhookSignature(req.body.toString(), req.get('x-razorpay-signature'), secret);
    return must(valid, { type: json(req).event });
  },
  async workos(req) {
    const { WorkOS } = await import('@workos-inc/node');
    const sigHeader = req.get('workos-signature');
    const event = await new WorkOS('sk_none').webhooks.constructEvent({ payload: json(req), sigHeader, secret });
    return { type: event.event };
  },
  async adyen(req) {
    const { hmacValidator: HmacValidator } = await import('@adyen/api-library');
    const validator = new HmacValidator();
    if (req.get('hmacsignature')) {
      return must(validator.validateHMACSignature(secret, req.get('hmacsignature'), req.body.toString()), json(req));
    }
    const items = json(req).notificationItems.map((item) => item.NotificationRequestItem);
    return must(items.every((item) => validator.validateHMAC(item, secret)), { type: items[0].eventCode });
  },
  async braintree(req) {
    const { default: braintree } = await import('braintree');
    const [key, privateKey] = secret.split('|');
    const gateway = new braintree.BraintreeGateway({
      environment: braintree.Environment.Sandbox,
      merchantId: 'none',
      publicKey: key,
      privateKey,
    });
    const { bt_signature: signature, bt_payload: payload } = form(req);
    return { type: (await gateway.webhookNotification.parse(signature, payload)).kind };
  },
  async linear(req) {
    const { LinearWebhookClient } = await import('@linear/sdk/webhooks');
    const client = new LinearWebhookClient(secret);
    const event = json(req);
    return must(client.verify(req.body, req.get('linear-signature'), event.webhookTimestamp), event);
  },
  async notion(req) {
    const { verifyWebhookSignature } = await import('@notionhq/client');
    const signature = req.get('x-notion-signature');
    const body = req.body.toString();
    return must(await verifyWebhookSignature({ body, signature, verificationToken: secret }), json(req));
  },
  async hubspot(req) {
    const { Signature } = await import('@hubspot/api-client');
    const valid = Signature.isValid({
      signatureVersion: 'v3',
      signature: req.get('x-hubspot-signature-v3'),
      timestamp: Number(req.get('x-hubspot-request-timestamp')),
      method: req.method,
      requestBody: req.body.toString(),
      url: url(req),
      clientSecret: secret,
    });
    return must(valid, { type: json(req)[0].subscriptionType });
  },
  async plivo(req) {
    const { default: plivo } = await import('plivo');
    const [nonce, signature] = ['x-plivo-signature-v3-nonce', 'x-plivo-signature-v3'].map((h) => req.get(h));
    return must(plivo.validateV3Signature(req.method, url(req), nonce, secret, signature, form(req)), { type: 'form' });
  },
  async messagebird(req) {
    const { default: jwt } = await import('messagebird/lib/webhook-signature-jwt.js');
    // Its middleware for Express does not wait for this, and lets everything pass.
    await jwt.verify(url(req), req.body, req.get(jwt.SIGNATURE_HEADER_NAME) ?? '', createSecretKey(Buffer.from(secret)));
    return json(req);
  },
  async livekit(req) {
    const { WebhookReceiver } = await import('livekit-server-sdk');
    const event = await new WebhookReceiver(params.api_key, secret).receive(req.body.toString(), req.get('authorization'));
    return { type: event.event };
  },
  async qstash(req) {
    const { Receiver } = await import('@upstash/qstash');
    const receiver = new Receiver({ currentSigningKey: secret, nextSigningKey: 'sig_none' });
    const signature = req.get('upstash-signature');
    return must(await receiver.verify({ signature, body: req.body.toString(), url: url(req) }), { type: 'message' });
  },
  async gocardless(req) {
    const { parse } = await import('gocardless-nodejs/webhooks');
    return { type: parse(req.body.toString(), secret, req.get('webhook-signature'))[0].action };
  },
  async pusher(req) {
    const { default: Pusher } = await import('pusher');
    const pusher = new Pusher({ appId: '1', key: params.key, secret, cluster: 'eu' });
    const webhook = pusher.webhook({ headers: req.headers, rawBody: req.body.toString() });
    return must(webhook.isValid(), { type: json(req).events[0].name });
  },
  async mux(req) {
    const { default: Mux } = await import('@mux/mux-node');
    const mux = new Mux({ tokenId: 'none', tokenSecret: 'none', webhookSecret: secret });
    return mux.webhooks.unwrap(req.body.toString(), req.headers, secret);
  },
  async openai(req) {
    const { default: OpenAI } = await import('openai');
    return new OpenAI({ apiKey: 'none' }).webhooks.unwrap(req.body.toString(), req.headers, secret);
  },
  async contentful(req) {
    const { verifyRequest } = await import('@contentful/node-apps-toolkit');
    const { method, originalUrl: path, headers } = req;
    return must(verifyRequest(secret, { method, path, headers, body: req.body.toString() }), { type: 'entry' });
  },
};

const app = express();
app.use(express.raw({ type: () => true, limit: '10mb' }));
for (const [name, verify] of Object.entries(providers)) {
  app.post(`/${name}`, async (req, res) => {
    try {
      const event = await verify(req, res);
      res.json({ ok: true, type: event.type });
    } catch (error) {
      res.status(400).send(`${name}: ${error.message}`);
    }
  });
}
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
