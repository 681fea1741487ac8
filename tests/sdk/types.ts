// What each provider's own package says of a body: `stripe<"charge.failed">` is the type of that event's, and `never` if
// the package knows no such event. The samples are compiled against these.

import type { NotificationItem } from "@adyen/api-library/lib/src/typings/notification/models.js";
import type { webhook } from "@line/bot-sdk";
import type { LinearWebhookPayload } from "@linear/sdk/webhooks";
import type { WebhookEvent } from "@liveblocks/node";
import type { ChangeNotificationCollection } from "@microsoft/microsoft-graph-types";
import type Mux from "@mux/mux-node";
import type * as Notion from "@notionhq/client";
import type { IEvents } from "@paddle/paddle-node-sdk";
import type * as Bolt from "@slack/bolt";
import type { GenericMessageEvent, SlackEvent } from "@slack/types";
import type { EventResponse } from "@workos-inc/node";
import type * as Discord from "discord-api-types/v10";
import type { Event as GoCardlessEvent } from "gocardless-nodejs/types";
import type OpenAI from "openai";
import type * as Plaid from "plaid";
import type { Prediction } from "replicate";
import type { WebhookEventPayload } from "resend";
import type Stripe from "stripe";
// Its main module has the types after it has read a body, not those of the body.
import type * as Square from "../node_modules/square/serialization/index.js";

/** T as JSON has it: an enum, a date and a decimal are text, and flags that are put together are a number. */
type Json<T> = 0 extends 1 & T ? T
  : T extends string ? `${T}`
  : T extends Date | Stripe.Decimal ? string
  : T extends object ? { [K in keyof T]: K extends "previous_attributes" ? Part<T[K]> : K extends "flags" | "public_flags" ? number : Json<T[K]> }
  : T;
/** Some of T, at every depth: what has changed in it. */
type Part<T> = T extends Stripe.Decimal ? string
  : T extends readonly unknown[] ? Json<T>
  : T extends object ? { [K in keyof T]?: Part<T[K]> }
  : T;
/** For packages that write "optional" for what may be null, too. */
type Nullable<T> = 0 extends 1 & T ? T
  : T extends object ? { [K in keyof T]: Nullable<T[K]> | (undefined extends T[K] ? null : never) }
  : T;

type Typed<Union, E> = Json<Extract<Union, { type: E }>>;

export type adyen<E> = E extends `${string}.${string}` ? never : { live: "true" | "false"; notificationItems: Json<NotificationItem>[] };

type Interaction<Type extends Discord.InteractionType> = Json<Extract<Discord.APIInteraction, { type: Type }>>;
type Happening<Event> = [Event] extends [never] ? never : Json<Discord.APIWebhookEventBase<Discord.ApplicationWebhookType.Event, Event>>;
export type discord<E> = E extends "ping" ? Interaction<Discord.InteractionType.Ping>
  : E extends "command" ? Interaction<Discord.InteractionType.ApplicationCommand>
  : E extends "component" ? Interaction<Discord.InteractionType.MessageComponent>
  : E extends "autocomplete" ? Interaction<Discord.InteractionType.ApplicationCommandAutocomplete>
  : E extends "modal_submit" ? Interaction<Discord.InteractionType.ModalSubmit>
  : Happening<Extract<Json<Discord.APIWebhookEventBody>, { type: E }>>;

export type gocardless<_> = { events: Json<GoCardlessEvent>[]; meta: { webhook_id: string } };

export type line<_> = Json<webhook.CallbackRequest>;

export type linear<E> = E extends `${infer Entity}.${string}` ? Typed<LinearWebhookPayload, Entity> : never;

export type liveblocks<E> = Typed<WebhookEvent, E>;

export type ms_graph<_> = Json<ChangeNotificationCollection>;

// Its documentation shows three members more.
type Accessor = { request_id: string | null; accessor: string | null; accessor_source: string | null };
export type mux<E> = Typed<Mux.Webhooks.UnwrapWebhookEvent, E> & Accessor;

type NotionPayloads = {
  "comment.created": Notion.CommentCreatedWebhookPayload;
  "data_source.schema_updated": Notion.DataSourceSchemaUpdatedWebhookPayload;
  "page.content_updated": Notion.PageContentUpdatedWebhookPayload;
  "page.created": Notion.PageCreatedWebhookPayload;
  "page.deleted": Notion.PageDeletedWebhookPayload;
  "page.properties_updated": Notion.PagePropertiesUpdatedWebhookPayload;
};
export type notion<E> = E extends keyof NotionPayloads ? Json<NotionPayloads[E]> : never;

export type openai<E> = Typed<OpenAI.Webhooks.UnwrapWebhookEvent, E>;

export type paddle<E> = Extract<Json<IEvents>, { event_type: E }>;

type PlaidWebhooks = {
  "AUTH.AUTOMATICALLY_VERIFIED": Plaid.AutomaticallyVerifiedWebhook;
  "ITEM.ERROR": Plaid.ItemErrorWebhook;
  "ITEM.PENDING_DISCONNECT": Plaid.PendingDisconnectWebhook;
  "ITEM.USER_PERMISSION_REVOKED": Plaid.UserPermissionRevokedWebhook;
  "LINK.SESSION_FINISHED": Plaid.LinkSessionFinishedWebhook;
  "TRANSACTIONS.DEFAULT_UPDATE": Plaid.DefaultUpdateWebhook;
  "TRANSACTIONS.SYNC_UPDATES_AVAILABLE": Plaid.SyncUpdatesAvailableWebhook;
  "TRANSACTIONS.TRANSACTIONS_REMOVED": Plaid.TransactionsRemovedWebhook;
};
export type plaid<E> = E extends keyof PlaidWebhooks ? Json<PlaidWebhooks[E]> : never;

export type replicate<_> = Nullable<Json<Prediction>>;

export type resend<E> = Typed<WebhookEventPayload, E>;

type SlackInteractions = {
  block_actions: Bolt.BlockAction;
  command: Bolt.SlashCommand;
  message_action: Bolt.MessageShortcut;
  shortcut: Bolt.GlobalShortcut;
  view_closed: Bolt.ViewClosedAction;
  view_submission: Bolt.ViewSubmitAction;
};
type Enveloped<Event> = [Event] extends [never] ? never : Nullable<Bolt.EnvelopedEvent<Event>>;
export type slack<E> = E extends keyof SlackInteractions ? Nullable<SlackInteractions[E]>
  : E extends "message" | "message.im" ? Enveloped<Omit<GenericMessageEvent, "subtype">>
  : Enveloped<Extract<SlackEvent, { type: E }>>;

type SquareEvents = {
  "customer.created": Square.CustomerCreatedEvent.Raw;
  "invoice.payment_made": Square.InvoicePaymentMadeEvent.Raw;
  "order.created": Square.OrderCreatedEvent.Raw;
  "order.updated": Square.OrderUpdatedEvent.Raw;
  "payment.created": Square.PaymentCreatedEvent.Raw;
  "payment.updated": Square.PaymentUpdatedEvent.Raw;
  "refund.created": Square.RefundCreatedEvent.Raw;
};
export type square<E> = E extends keyof SquareEvents ? SquareEvents[E] : never;

export type stripe<E> = Typed<Stripe.Event, E>;

export type workos<E> = Nullable<Json<Extract<EventResponse, { event: E }>>>;
