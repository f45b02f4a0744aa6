"""Durable jobs: a queue in the box's own database, and the workers that empty it (contract memory-api, Jobs)."""

from appliance.jobs.kinds import Finish, Handler, Kind, Result, Running
from appliance.jobs.queue import Job, Queue
from appliance.jobs.service import Jobs
from appliance.jobs.worker import Worker

__all__ = ["Finish", "Handler", "Job", "Jobs", "Kind", "Queue", "Result", "Running", "Worker"]
