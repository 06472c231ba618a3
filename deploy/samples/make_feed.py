#!/usr/bin/env python3
"""Writes tracker-feed.ndjson: CloudEvents in JSON whose data is StoryBoard's notification of 12 keys.

Deterministic: the same script writes the same bytes. All people, projects and texts are invented.
Usage: make_feed.py [LINES] > tracker-feed.ndjson
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

LINES = 400
Json = dict[str, Any]

USERS = {
    1: "Ada Obrecht",
    2: "Bao Nguyễn",
    3: "Chloé Marchand",
    4: "Dmitri Соколов",
    5: "Eun-ji 박",
    6: "Łukasz Żak",
}
PROJECTS = ["harbour", "lantern", "tide-tables", "smörgås-api"]
TITLES = [
    "Login page times out behind the proxy",
    "Die Suche findet keine Umlaute (ä, ö, ü)",
    "検索結果が二回表示される",
    "Exporter les fiches en CSV dépasse la mémoire",
    "Emoji in titles break the e-mail 🐙 digest",
    "Rename «milestone» to «release» in the web client",
    "Race between drag & drop and auto-save",
    "Документация: как подключить обработчик",
    'Quotes "like these" and \\ are shown twice',
    "Board is slow with more than 500 cards",
    "Support right-to-left text: תמיכה בעברית",
    "Upgrade notes lack the step for PostgreSQL",
    "Pagination skips an entry when stories are deleted meanwhile",
    "Mobile: long words run out of the card 📱",
    "API returns 500 for an empty PATCH",
    "Añadir filtros guardados al tablero",
]
COMMENTS = [
    "I can reproduce this with the current master.",
    "Works for me on a fresh database; which browser?",
    "Ça marche après avoir vidé le cache, merci !",
    "Patch is up for review.\nPlease have a look at the second part.",
    "これは意図した動作ですか？",
    "Needs a test before it can go in 👍",
]
STATUSES = ["todo", "inprogress", "review", "merged", "invalid"]
PRIORITIES = ["low", "medium", "high"]
TAGS = ["bug", "api", "ux", "größe", "security", "good-first-task", "文档"]
BOARD_CHANGES = [
    *(
        ("worklist", change)
        for change in (
            "created",
            "details_changed",
            "permission_created",
            "permissions_changed",
            "filters_changed",
            "contents_changed",
        )
    ),
    *(
        ("board", change)
        for change in (
            "created",
            "details_changed",
            "permission_created",
            "permissions_changed",
            "lanes_changed",
        )
    ),
]


class Feed:
    """A tracker that is being used, and what it says about that."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
        self.lines: list[str] = []
        self.stories: dict[int, Json] = {}
        self.tasks: dict[int, Json] = {}
        self.next_ids: dict[str, int] = {}
        self.unseen = self.random.sample(BOARD_CHANGES, len(BOARD_CHANGES))

    def next_id(self, kind: str) -> int:
        """Ids count per kind, from a start of their own so that they can be told apart."""
        start = {"story": 12, "task": 31, "timeline_event": 501, "comment": 71}.get(kind, 3)
        self.next_ids[kind] = self.next_ids.get(kind, start - 1) + 1
        return self.next_ids[kind]

    def stamp(self) -> str:
        return self.now.isoformat().replace("+00:00", "")

    def author(self) -> int:
        return self.random.choice(list(USERS))

    def publish(self, subject: str, data: Json) -> None:
        """One line: the envelope, and the 12 keys in StoryBoard's order."""
        number = len(self.lines) + 1
        event = {
            "specversion": "1.0",
            "id": f"tracker-{number:04d}",
            "source": "storyboard",
            "type": f"{data['resource']}.{data['method'].lower()}",
            "subject": subject,
            "time": self.now.isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": data,
        }
        self.lines.append(json.dumps(event, ensure_ascii=False))
        self.now += timedelta(
            seconds=self.random.randint(1, 400), milliseconds=self.random.randint(0, 999)
        )

    def call(
        self,
        author: int | None,
        method: str,
        path: str,
        resource: str,
        resource_id: int | str | None,
        before: Json | None,
        after: Json | None,
        sub: tuple[str, int | str | None] | None = None,
        status: int = 200,
        subject: str | None = None,
    ) -> None:
        """What the API says of one request: ids are text where they come from the path, numbers where from the body."""
        page = (
            None
            if self.random.random() < 0.2
            else f"http://tracker.example/#!/{resource}/{resource_id}"
        )
        self.publish(
            subject or f"{resource}/{resource_id}",
            {
                "author_id": author,
                "method": method,
                "url": page,
                "path": path,
                "query_string": "",
                "status": status,
                "resource": resource,
                "resource_id": resource_id,
                "sub_resource": sub[0] if sub else None,
                "sub_resource_id": sub[1] if sub else None,
                "resource_before": before,
                "resource_after": after,
            },
        )

    def timeline(
        self,
        author: int,
        event_type: str,
        info: Json | None,
        path: str,
        story: int | None = None,
        worklist: int | None = None,
        board: int | None = None,
        comment: Json | None = None,
    ) -> None:
        """The second notification of a change: a row of the timeline, its info a JSON text."""
        number = self.next_id("timeline_event")
        after = {
            "id": number,
            "created_at": self.stamp(),
            "updated_at": None,
            "event_type": event_type,
            "event_info": None if info is None else json.dumps(info, ensure_ascii=False),
            "story_id": story,
            "worklist_id": worklist,
            "board_id": board,
            "author_id": author,
            "comment_id": comment["id"] if comment else None,
            "comment": comment,
        }
        kind, of = (
            ("story", story) if story else ("worklist", worklist) if worklist else ("board", board)
        )
        self.publish(
            f"{kind}/{of}",
            {
                "author_id": author,
                "method": "POST",
                "url": None,
                "path": path,
                "query_string": None,
                "status": None if event_type == "story_created" else 200,
                "resource": "timeline_event",
                "resource_id": number,
                "sub_resource": None,
                "sub_resource_id": None,
                "resource_before": None,
                "resource_after": after,
            },
        )

    # What people do.

    def create_story(self) -> None:
        author, number = self.author(), self.next_id("story")
        story = {
            "id": number,
            "created_at": self.stamp(),
            "title": self.random.choice(TITLES),
            "description": self.random.choice(
                ["", "Steps:\n1. open the board\n2. wait", "Voir la capture d’écran."]
            ),
            "is_bug": self.random.random() < 0.6,
            "creator_id": author,
            "private": False,
            "status": "active",
            "tags": [],
        }
        self.stories[number] = story
        self.call(author, "POST", "/v1/stories", "story", number, None, dict(story))
        self.timeline(
            author,
            "story_created",
            {"story_id": number, "story_title": story["title"]},
            "/v1/stories",
            number,
        )
        if self.random.random() < 0.8:
            self.create_task(number)

    def create_task(self, story: int | None = None) -> None:
        author, number = self.author(), self.next_id("task")
        story = story or self.any_story()
        task = {
            "id": number,
            "created_at": self.stamp(),
            "title": f"{self.random.choice(['Fix', 'Test', 'Document', 'Übersetzen'])}: {self.stories[story]['title']}",
            "status": "todo",
            "creator_id": author,
            "story_id": story,
            "project_id": self.random.randint(1, len(PROJECTS)),
            "priority": "medium",
        }
        self.tasks[number] = task
        path = f"/v1/stories/{story}/tasks" if self.random.random() < 0.3 else "/v1/tasks"
        self.call(author, "POST", path, "task", number, None, dict(task), status=201)
        self.timeline(
            author,
            "task_created",
            {"story_id": story, "task_id": number, "task_title": task["title"]},
            path,
            story,
        )

    def any_story(self) -> int:
        return self.random.choice(list(self.stories))

    def change_task(
        self, field: str, value: Any, event_type: str, info: Callable[[Json, Json], Json]
    ) -> None:
        number = self.random.choice(list(self.tasks))
        before, author = dict(self.tasks[number]), self.author()
        self.tasks[number][field] = value
        after, path = dict(self.tasks[number]), f"/v1/tasks/{number}"
        self.call(author, "PUT", path, "task", str(number), before, after)
        base = {"story_id": after["story_id"], "task_id": number, "task_title": after["title"]}
        self.timeline(author, event_type, base | info(before, after), path, after["story_id"])

    def set_status(self) -> None:
        self.change_task(
            "status",
            self.random.choice(STATUSES),
            "task_status_changed",
            lambda old, new: {"old_status": old["status"], "new_status": new["status"]},
        )

    def set_priority(self) -> None:
        self.change_task(
            "priority",
            self.random.choice(PRIORITIES),
            "task_priority_changed",
            lambda old, new: {"old_priority": old["priority"], "new_priority": new["priority"]},
        )

    def assign(self) -> None:
        who = self.author()
        self.change_task(
            "assignee_id",
            who,
            "task_assignee_changed",
            lambda old, new: {
                "old_assignee_id": old.get("assignee_id"),
                "new_assignee_id": who,
                "new_assignee_fullname": USERS[who],
            },
        )

    def retitle_task(self) -> None:
        self.change_task(
            "title",
            f"{self.random.choice(TITLES)} ({self.random.randint(2, 9)})",
            "task_details_changed",
            lambda old, new: {},
        )

    def delete_task(self) -> None:
        if len(self.tasks) < 4:
            return
        number = self.random.choice(list(self.tasks))
        task, author, path = self.tasks.pop(number), self.author(), f"/v1/tasks/{number}"
        self.call(author, "DELETE", path, "task", str(number), task, None, status=204)
        self.timeline(
            author,
            "task_deleted",
            {"story_id": task["story_id"], "task_id": number, "task_title": task["title"]},
            path,
            task["story_id"],
        )

    def change_story(self) -> None:
        number, author = self.any_story(), self.author()
        before = dict(self.stories[number])
        self.stories[number]["title"] = self.random.choice(TITLES)
        path = f"/v1/stories/{number}"
        self.call(author, "PUT", path, "story", str(number), before, dict(self.stories[number]))
        self.timeline(
            author,
            "story_details_changed",
            {"story_id": number, "story_title": self.stories[number]["title"]},
            path,
            number,
        )

    def comment(self) -> None:
        story, author, number = self.any_story(), self.author(), self.next_id("comment")
        comment = {
            "id": number,
            "created_at": self.stamp(),
            "content": self.random.choice(COMMENTS),
            "is_active": True,
        }
        path = f"/v1/stories/{story}/comments"
        self.call(
            author,
            "POST",
            path,
            "story",
            str(story),
            dict(self.stories[story]),
            dict(self.stories[story]),
            ("comment", number),
            subject=f"story/{story}",
        )
        self.timeline(author, "user_comment", None, path, story, comment=comment)

    def tag(self) -> None:
        story, author, tag = self.any_story(), self.author(), self.random.choice(TAGS)
        tags, path = self.stories[story]["tags"], f"/v1/tags/{story}"
        added = tag not in tags
        before = {"id": story, "tags": list(tags)}
        tags.append(tag) if added else tags.remove(tag)
        self.call(
            author,
            "PUT" if added else "DELETE",
            path,
            "tag",
            str(story),
            before,
            {"id": story, "tags": list(tags)},
        )
        self.timeline(
            author,
            "tags_added" if added else "tags_deleted",
            {"story_id": story, "tags": [tag]},
            path,
            story,
        )

    def drop_story(self) -> None:
        if len(self.stories) < 6:
            return
        number = self.any_story()
        story = self.stories.pop(number)
        self.tasks = {n: task for n, task in self.tasks.items() if task["story_id"] != number}
        self.call(
            self.author(),
            "DELETE",
            f"/v1/stories/{number}",
            "story",
            str(number),
            story,
            None,
            status=204,
        )

    def worklist_or_board(self) -> None:
        """First each change once, in any order, then any of them."""
        kind, change = self.unseen.pop() if self.unseen else self.random.choice(BOARD_CHANGES)
        number = self.random.randint(1, 4)
        info = {f"{kind}_id": number, f"{kind}_title": "Spring clean 🧹"}
        self.timeline(
            self.author(), f"{kind}_{change}", info, f"/v1/{kind}s/{number}", **{kind: number}
        )

    def elsewhere(self) -> None:
        """What happens beside stories and tasks."""
        author, number = self.author(), self.random.randint(1, 9)
        name = self.random.choice(PROJECTS)
        self.random.choice(
            [
                lambda: self.call(
                    author,
                    "PUT",
                    "/v1/project_groups/2/projects/3",
                    "project_group",
                    "2",
                    None,
                    None,
                    ("project", "3"),
                ),
                lambda: self.call(
                    author,
                    "PUT",
                    f"/v1/projects/{number}",
                    "project",
                    str(number),
                    {"id": number, "name": name, "is_active": True},
                    {"id": number, "name": name, "is_active": True, "description": "Fjord & Küste"},
                ),
                lambda: self.call(
                    None,
                    "POST",
                    "/v1/users",
                    "user",
                    number,
                    None,
                    {"id": number, "full_name": USERS[number % 6 + 1], "is_superuser": False},
                ),
                lambda: self.call(
                    author,
                    "POST",
                    "/v1/subscriptions",
                    "subscription",
                    number,
                    None,
                    {"id": number, "target_type": "story", "target_id": 12, "user_id": author},
                ),
                lambda: self.call(
                    author,
                    "POST",
                    "/v1/milestones",
                    "milestone",
                    number,
                    None,
                    {"id": number, "name": f"0.{number}", "expired": False, "branch_id": 1},
                ),
                lambda: self.call(
                    author,
                    "PUT",
                    f"/api/v1/branches/{number}",
                    "branch",
                    str(number),
                    {"id": number, "name": "master"},
                    {"id": number, "name": "main"},
                ),
            ]
        )()

    def run(self, lines: int) -> list[str]:
        """Everything once, so that each kind is there, then what comes."""
        acts = [
            self.create_story,
            self.create_task,
            self.set_status,
            self.set_priority,
            self.assign,
            self.retitle_task,
            self.delete_task,
            self.change_story,
            self.comment,
            self.tag,
            self.drop_story,
            self.worklist_or_board,
            self.elsewhere,
        ]
        weights = [8, 7, 16, 6, 8, 4, 2, 5, 14, 6, 1, 6, 7]
        for _ in range(6):
            self.create_story()
        for act in acts:
            act()
        while len(self.lines) < lines:
            self.random.choices(acts, weights)[0]()
        return self.lines[:lines]


def main() -> None:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    print("\n".join(Feed(seed=6).run(lines)))


if __name__ == "__main__":
    main()
