"""What the scripts share: clients of the server under test, and what must be refused."""

import contextlib
import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "us-east-1"
# One attempt, and no judgement of the client's own: a refusal must be the server's first word.
ONCE = Config(retries={"max_attempts": 1, "mode": "standard"}, parameter_validation=False)


def client(service="ec2", region=REGION, **more):
    more.setdefault("config", ONCE)
    return boto3.client(service, region_name=region, endpoint_url=os.environ["AWS_ENDPOINT"], **more)


@contextlib.contextmanager
def refused(code, text="", status=None):
    """What is inside must be refused with this code, and a message with this text."""
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        assert told["Code"] == code, f"{told} is not {code}"
        assert text in told["Message"], f"{told} lacks {text!r}"
        given = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert status is None or given == status, given
    else:
        raise AssertionError(f"not refused as {code}")


def tags(**pairs):
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def tagged(kind, **pairs):
    return [{"ResourceType": kind, "Tags": tags(**pairs)}]


def where(name, *values):
    return [{"Name": name, "Values": list(values)}]


def pages(call, key, **arguments):
    """All pages of a listing, each at most MaxResults long."""
    found, token = [], None
    while True:
        more = {"NextToken": token} if token else {}
        answer = call(MaxResults=5, **arguments, **more)
        assert len(answer[key]) <= 5, answer
        found.append(answer[key])
        token = answer.get("NextToken")
        if not token:
            return found
