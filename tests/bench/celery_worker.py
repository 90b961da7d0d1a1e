"""What the Celery worker of the benchmark runs: sign a body and post it, as one would write it with Celery."""

import os
from datetime import UTC, datetime

import requests
from celery import Celery
from standardwebhooks import Webhook

TASK = "post_webhook"

app = Celery("bench", broker=os.environ["BENCH_BROKER"], backend=os.environ["BENCH_RESULTS"])
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=16, worker_hijack_root_logger=False)
_webhook = Webhook(os.environ["BENCH_SECRET"])
_session = requests.Session()


def post_webhook(url: str, name: str, body: str) -> int:
    """Post a body under its message's name; return the answer's status, which is recorded as the task's result."""
    now = datetime.now(UTC)
    headers = {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": _webhook.sign(name, now, body),
    }
    answer = _session.post(url, data=body.encode(), headers=headers, timeout=15)
    answer.raise_for_status()
    return int(answer.status_code)


app.task(name=TASK)(post_webhook)
