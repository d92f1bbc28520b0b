"""Finding what messages speak of, in as few reads as there can be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from chalicelib.ports import Due, FiringRef, Services
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import Job, JobRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Finds:
    """What the batched reads found for a batch. `unreadable`: what is there and says nothing to this version."""

    jobs: Mapping[JobRef, Job]
    executions: Mapping[FiringRef, Execution]
    unreadable: Mapping[JobRef | FiringRef, Exception] = field(default_factory=dict)

    def subject(self, ref: JobRef | FiringRef) -> tuple[Execution | None, Job | None]:
        """The execution that waits for a further attempt, where that is meant, and the job. Raises what is amiss."""
        if ref in self.unreadable:
            raise self.unreadable[ref]
        if isinstance(ref, JobRef):
            return None, self.jobs.get(ref)
        retry = self.executions.get(ref)
        return retry, self.jobs.get(retry.ref) if retry else None


def read(services: Services, dues: Iterable[Due]) -> Finds:
    """The jobs and executions that messages speak of, and the jobs of the executions.

    One item that cannot be read must not cost the batch its firings: then they are read one by one.
    """
    subjects = [due.subject for due in dues]
    try:
        return _found(services, subjects)
    except Unavailable:
        raise
    except Exception:  # noqa: BLE001 - see above
        return _found_one_by_one(services, subjects)


def _found_one_by_one(services: Services, subjects: Iterable[JobRef | FiringRef]) -> Finds:
    finds, unreadable = list[Finds](), dict[JobRef | FiringRef, Exception]()
    for subject in subjects:
        try:
            finds.append(_found(services, [subject]))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - told where the message is judged
            unreadable[subject] = error
    jobs = dict(chain.from_iterable(one.jobs.items() for one in finds))
    executions = dict(chain.from_iterable(one.executions.items() for one in finds))
    return Finds(jobs=jobs, executions=executions, unreadable=unreadable)


def _found(services: Services, subjects: Sequence[JobRef | FiringRef]) -> Finds:
    refs = [subject for subject in subjects if isinstance(subject, FiringRef)]
    executions = services.firings.executions(refs) if refs else {}
    job_refs = {subject for subject in subjects if isinstance(subject, JobRef)}
    job_refs |= {execution.ref for execution in executions.values()}
    return Finds(jobs=services.firings.jobs(job_refs) if job_refs else {}, executions=executions)
