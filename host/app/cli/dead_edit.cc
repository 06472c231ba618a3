#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <ostream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "host/app/cli/dead_filter.h"
#include "host/app/cli/json_layout.h"
#include "host/app/cli/line_diff.h"
#include "host/app/cli/single_event.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/event/json.h"
#include "host/event/json_members.h"

namespace outboard::app {
namespace {

constexpr size_t kContext = 4;  // specversion, id, source and type are the first in JSON.

// An event as people edit it: the JSON text of each member. It never goes through numbers of ours,
// which would round those of the data.
using Members = nlohmann::ordered_map<std::string, std::string>;

bool IsData(absl::string_view name) { return name == "data" || name == "data_base64"; }

absl::StatusOr<Members> MembersOf(const Event& event) {
  const std::string json = EventToJson(event);
  OUTBOARD_ASSIGN_OR_RETURN(std::vector<JsonMember> members, SplitJsonObject(json));
  // Attributes come in any order, which must not look like a difference.
  std::sort(members.begin() + std::min<size_t>(kContext, members.size()), members.end(),
            [](const JsonMember& a, const JsonMember& b) {
              return std::pair(IsData(a.name), a.name) < std::pair(IsData(b.name), b.name);
            });
  Members out;
  for (const JsonMember& member : members) out[member.name] = CompactJson(member.value);
  return out;
}

absl::StatusOr<Members> MembersOf(const event::v1::Event& event) {
  OUTBOARD_ASSIGN_OR_RETURN(const Event checked, CheckEvent(event.SerializeAsString(), kAnySize));
  return MembersOf(checked);
}

std::string Quoted(const std::string& text) { return ToLine(Json(text)); }

std::string Line(const Members& event) {
  return absl::StrCat("{",
                      absl::StrJoin(event, ",",
                                    [](std::string* out, const auto& member) {
                                      absl::StrAppend(out, Quoted(member.first), ":",
                                                      member.second);
                                    }),
                      "}");
}

std::string Pretty(const Members& event) { return PrettyJson(Line(event)) + "\n"; }

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return absl::InvalidArgumentError(absl::StrCat("cannot read ", path));
  return text.str();
}

// A file that only this user may read, gone at the end unless it is kept.
class EditedFile {
 public:
  ~EditedFile() {
    if (!path_.empty() && !kept_) unlink(path_.c_str());
  }
  absl::Status Write(const std::string& text) {
    const char* folder = std::getenv("TMPDIR");
    path_ = absl::StrCat(folder != nullptr && *folder != '\0' ? folder : "/tmp",
                         "/outboard-dead-XXXXXX.json");
    const int fd = mkstemps(path_.data(), 5);
    const bool written =
        fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (fd >= 0) close(fd);
    if (written) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("cannot write ", path_, ": ", std::strerror(errno)));
  }
  const std::string& path() const { return path_; }
  // Where it is from now on; empty: nothing was written.
  const std::string& Keep() {
    kept_ = true;
    return path_;
  }

 private:
  std::string path_;
  bool kept_ = false;
};

// By a shell, since $EDITOR may have arguments.
absl::Status RunEditor(const std::string& path) {
  const char* editor = std::getenv("VISUAL");
  if (editor == nullptr || *editor == '\0') editor = std::getenv("EDITOR");
  if (editor == nullptr || *editor == '\0') editor = "vi";
  const pid_t pid = fork();
  if (pid == 0) {
    const std::string script = absl::StrCat(editor, " \"$1\"");
    execl("/bin/sh", "sh", "-c", script.c_str(), "sh", path.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the editor (", editor,
                   ") did not end well, nothing is changed; $EDITOR names "
                   "another, or use --set and --data"));
}

absl::StatusOr<Event> FromEditor(const Members& event, EditedFile* file) {
  OUTBOARD_RETURN_IF_ERROR(file->Write(Pretty(event)));
  OUTBOARD_RETURN_IF_ERROR(RunEditor(file->path()));
  OUTBOARD_ASSIGN_OR_RETURN(const std::string text, ReadFile(file->path()));
  absl::StatusOr<Event> edited =
      EventFromJson(IsJsonText(text) ? CompactJson(text) : text, kAnySize);
  if (edited.ok()) return edited;
  return absl::InvalidArgumentError(absl::StrCat(
      edited.status().message(), "; nothing is changed, your text is in ", file->Keep()));
}

absl::StatusOr<Event> FromFlags(const EditOptions& options, Members event) {
  for (const std::string& attribute : options.set) {
    const size_t equals = attribute.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--set: \"", Truncate(attribute, 40), "\" is not NAME=VALUE"));
    }
    const std::string name = attribute.substr(0, equals);
    if (IsData(name)) return absl::InvalidArgumentError("--set: data is set by --data FILE");
    if (equals + 1 == attribute.size()) {
      event.erase(name);
    } else {
      event[name] = Quoted(attribute.substr(equals + 1));
    }
  }
  if (!options.data_file.empty()) {
    OUTBOARD_ASSIGN_OR_RETURN(const std::string data, ReadFile(options.data_file));
    event.erase("data");
    event["data_base64"] = Quoted(absl::Base64Escape(data));
  }
  return EventFromJson(Line(event), kAnySize);
}

// An editor's text has the data with other blanks: where that is all its bytes are as before.
void KeepData(const Members& before, const Members& after, const event::v1::Event& was,
              event::v1::Event* event) {
  const auto value = [](const Members& of, const std::string& name) {
    const auto it = of.find(name);
    return it == of.end() ? "" : it->second;
  };
  for (const char* name : {"data", "data_base64"}) {
    if (value(before, name) != value(after, name)) return;
  }
  event::v1::Event kept = was;
  *kept.mutable_attributes() = event->attributes();
  kept.set_id(event->id());
  kept.set_source(event->source());
  kept.set_type(event->type());
  *event = std::move(kept);
}

// Makes the change of `request`, unless it is a dry run or none, and shows it. 0: that went well.
int Make(const EditOptions& options, const Members& before, const Members& after,
         const host::v1::EditDeadRequest& request, Client* client) {
  const std::string diff = LineDiff(Pretty(before), Pretty(after));
  const bool makes = !diff.empty() && !options.dry_run;
  host::v1::EditDeadResponse response;
  if (makes && !client->Call(&host::v1::AdminService::Stub::EditDead, request, &response))
    return client->exit_code();
  const Terminal& terminal = client->terminal();
  if (client->json()) {
    terminal.out << ToLine(Json{{"dead_id", options.id},
                                {"changed", makes},
                                {"diff", diff},
                                {"event", Json::parse(Line(after), nullptr, false)}})
                 << std::endl;
    return kOk;
  }
  for (const absl::string_view line : absl::StrSplit(diff, '\n', absl::SkipEmpty())) {
    const Colour colour = line[0] == '-'   ? Colour::kRed
                          : line[0] == '+' ? Colour::kGreen
                                           : Colour::kNone;
    terminal.out << Paint(terminal, colour, EscapeForPeople(line)) << "\n";
  }
  if (diff.empty()) {
    terminal.out << "nothing is changed" << std::endl;
  } else if (options.dry_run) {
    terminal.out << "a dry run: nothing is changed" << std::endl;
  } else if (options.undo) {
    terminal.out << "a replay gives the event back as it was" << std::endl;
  } else {
    terminal.out << "changed; the letter keeps the event as it was\n"
                 << "give it back: outboard dead replay " << options.id << "\n"
                 << "undo:         outboard dead edit " << options.id << " --undo" << std::endl;
  }
  return kOk;
}

int Change(const EditOptions& options, const Members& before, const event::v1::Event& was,
           Client* client) {
  EditedFile file;
  const bool by_flags = !options.set.empty() || !options.data_file.empty();
  const absl::StatusOr<Event> event =
      by_flags ? FromFlags(options, before) : FromEditor(before, &file);
  const absl::StatusOr<Members> after = event.ok() ? MembersOf(*event) : event.status();
  if (!after.ok()) return client->Fail(kUsage, std::string(after.status().message()));
  host::v1::EditDeadRequest request;
  request.set_dead_id(options.id);
  OUTBOARD_CHECK(request.mutable_event()->ParseFromArray(event->bytes().data(),
                                                         static_cast<int>(event->size())));
  KeepData(before, *after, was, request.mutable_event());
  const int code = Make(options, before, *after, request, client);
  // What the host refused, or did not hear of, need not be typed again.
  if (code != kOk && !file.path().empty())
    client->terminal().err << "outboard: your text is in " << file.Keep() << std::endl;
  return code;
}

// With --undo the event as it was is the change.
int Edit(const EditOptions& options, const host::v1::DeadLetter& letter, Client* client) {
  const event::v1::Event& now = letter.has_edited() ? letter.edited() : letter.event();
  const absl::StatusOr<Members> before = MembersOf(now);
  const absl::StatusOr<Members> first = MembersOf(letter.event());
  for (const absl::StatusOr<Members>* members : {&before, &first}) {
    if (!members->ok()) return client->Fail(kFailed, std::string(members->status().message()));
  }
  if (!options.undo) return Change(options, *before, now, client);
  host::v1::EditDeadRequest request;
  request.set_dead_id(options.id);
  return Make(options, *before, *first, request, client);
}

}  // namespace

int RunDeadEdit(const EditOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  host::v1::GetDeadRequest request;
  request.set_dead_id(options.id);
  host::v1::GetDeadResponse response;
  if (!client.Call(&host::v1::AdminService::Stub::GetDead, request, &response))
    return client.exit_code();
  if (!response.letter().has_event()) {
    return client.Fail(kFailed,
                       absl::StrCat("dead letter ", options.id,
                                    " could not be decoded, so there is no event to edit: publish "
                                    "a right one, then outboard dead purge ",
                                    options.id));
  }
  return Edit(options, response.letter(), &client);
}

}  // namespace outboard::app
