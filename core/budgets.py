"""How large one message to Temporal may be, in bytes of JSON, and how an order divides it.

Temporal takes no value over 2 MiB and no request over 4 MiB. It ends a workflow that sends more, while the escrow is
still held. So an order stays small by construction: each part that others can fill has a budget here. What exceeds it
is refused, cut or counted. A rescue answers the state and the order in one value, and a new run begins with both:
together they stay under 2 MiB.
"""

from __future__ import annotations

ENGINE_TAKES = 2 * 1024 * 1024
"""The largest value, by the default `limit.blobSize.error` of the service."""

COMMAND_WEIGHS = 1_500_000
"""The largest command, and the largest start.

The largest lawful one, 500 scans with full texts, weighs 1.3 MB. An update of 2 to 4 MB blocks its workflow for 20
seconds: its refusal repeats it, and is more than the engine takes.
"""

UPDATES_WEIGH = 2_000_000
"""What the service should let wait of a workflow's updates, in all: `history.maxInFlightUpdatePayloads` of a server.

One that is larger than 2 MiB cannot be refused by the worker.
"""

STATE_WEIGHS = 1_500_000
"""An order's state, apart from the order itself, which may weigh 0.45 MB."""

MERCHANT_WEIGHS = 1_100_000
"""Beyond this the merchant can add nothing.

The rest is for the buyer and the platform's staff: 600 answers of 500 bytes, with reasons of `SHORT_REASON`.
"""

PARCEL_GROWS = 2_000
"""What a parcel may still add without a command: its verdict, its review, its refund and its released number."""

TITLE_KEPT = 100
"""Characters of a title in the state; the order itself has the whole. 200 titles of 500 would weigh 0.4 MB."""

PARTS_MOST = 2_000
"""Lines over all parcels; 200 parcels with 200 lines each would weigh 4 MB."""

SCANS_WEIGH = 250_000
"""Pushed scans of all parcels: 2,000 short ones, or 100 with all that a scan may say."""

JOURNAL_WEIGHS = 150_000
"""Journal entries; 500 of usual length."""

ANSWER_KEPT = 300
"""Characters of a refusal that is remembered for its command id: the list of an order's lines alone can be 13,000."""

SHORT_REASON = 60
"""Characters of a reason that are kept once `MERCHANT_WEIGHS` is reached.

A command that ends a wait is never refused for its size.
"""

WHOLE_VERDICTS = 40
"""Parcels up to which the state keeps everything that their audits found; beyond, only what speaks against them."""

EVIDENCE_KEPT = 120
"""Characters of one text in a finding's evidence: a carrier's text may be of any length."""

STARTS_A_TASK = 20
"""Activities that are started in one workflow task. Each carries up to 20 kB beside its parcel's scans; all 200 of the
largest order would not fit in one request."""

EVIDENCE_WEIGHS = 4_000
"""Evidence of one side in one after-sale case. Five cases of two sides add up to 40 kB."""
