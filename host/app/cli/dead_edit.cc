#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <ostream>
#include <sstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/app/cli/dead_filter.h"
#include "host/app/cli/line_diff.h"
#include "host/app/cli/single_event.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/event/json.h"

namespace outboard::app {
namespace {

std::string Pretty(const Json& event) {
  return event.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

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
  void Keep() { kept_ = true; }

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

absl::StatusOr<Event> FromEditor(const Json& event) {
  EditedFile file;
  OUTBOARD_RETURN_IF_ERROR(file.Write(Pretty(event)));
  OUTBOARD_RETURN_IF_ERROR(RunEditor(file.path()));
  OUTBOARD_ASSIGN_OR_RETURN(const std::string text, ReadFile(file.path()));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  absl::StatusOr<Event> edited = EventFromJson(json.is_object() ? ToLine(json) : text, kAnySize);
  if (edited.ok()) return edited;
  file.Keep();
  return absl::InvalidArgumentError(absl::StrCat(
      edited.status().message(), "; nothing is changed, your text is in ", file.path()));
}

absl::StatusOr<Event> FromFlags(const EditOptions& options, Json event) {
  for (const std::string& attribute : options.set) {
    const size_t equals = attribute.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--set: \"", Truncate(attribute, 40), "\" is not NAME=VALUE"));
    }
    const std::string name = attribute.substr(0, equals);
    if (name == "data" || name == "data_base64")
      return absl::InvalidArgumentError("--set: data is set by --data FILE");
    if (equals + 1 == attribute.size()) {
      event.erase(name);
    } else {
      event[name] = attribute.substr(equals + 1);
    }
  }
  if (!options.data_file.empty()) {
    OUTBOARD_ASSIGN_OR_RETURN(const std::string data, ReadFile(options.data_file));
    event.erase("data");
    event.erase("data_base64");
    event["data_base64"] = absl::Base64Escape(data);
  }
  return EventFromJson(ToLine(event), kAnySize);
}

// An editor's text has the data as pretty JSON: where its value is as before its bytes are, too.
void KeepData(const Json& before, const Json& after, const event::v1::Event& was,
              event::v1::Event* event) {
  for (const char* name : {"data", "data_base64"}) {
    if (before.value(name, Json()) != after.value(name, Json())) return;
  }
  event::v1::Event kept = was;
  *kept.mutable_attributes() = event->attributes();
  kept.set_id(event->id());
  kept.set_source(event->source());
  kept.set_type(event->type());
  *event = std::move(kept);
}

Json JsonOf(const Event& event) { return Json::parse(EventToJson(event), nullptr, false); }

// 0 after the change is made, or was shown.
int Change(const EditOptions& options, const host::v1::DeadLetter& letter, Client* client) {
  const event::v1::Event& was = letter.has_edited() ? letter.edited() : letter.event();
  const Json before = ToJson(was);
  const bool by_flags = !options.set.empty() || !options.data_file.empty();
  const absl::StatusOr<Event> event = by_flags ? FromFlags(options, before) : FromEditor(before);
  if (!event.ok()) return client->Fail(kUsage, std::string(event.status().message()));
  const Json after = JsonOf(*event);
  const std::string diff = LineDiff(Pretty(before), Pretty(after));
  const Terminal& terminal = client->terminal();
  if (!diff.empty() && !options.dry_run) {
    host::v1::EditDeadRequest request;
    request.set_dead_id(options.id);
    OUTBOARD_CHECK(request.mutable_event()->ParseFromArray(event->bytes().data(),
                                                           static_cast<int>(event->size())));
    KeepData(before, after, was, request.mutable_event());
    host::v1::EditDeadResponse response;
    if (!client->Call(&host::v1::AdminService::Stub::EditDead, request, &response))
      return client->exit_code();
  }
  if (client->json()) {
    terminal.out << ToLine(Json{{"dead_id", options.id},
                                {"changed", !diff.empty() && !options.dry_run},
                                {"diff", diff},
                                {"event", after}})
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
  } else {
    terminal.out << "changed; the letter keeps the event as it was\n"
                 << "give it back: outboard dead replay " << options.id << "\n"
                 << "undo:         outboard dead edit " << options.id << " --undo" << std::endl;
  }
  return kOk;
}

int Undo(const EditOptions& options, Client* client) {
  host::v1::EditDeadRequest request;
  request.set_dead_id(options.id);
  host::v1::EditDeadResponse response;
  if (!client->Call(&host::v1::AdminService::Stub::EditDead, request, &response))
    return client->exit_code();
  if (client->json()) {
    client->terminal().out << ToLine(Json{{"dead_id", options.id}, {"changed", true}}) << std::endl;
  } else {
    client->terminal().out << "a replay gives the event back as it was" << std::endl;
  }
  return kOk;
}

}  // namespace

int RunDeadEdit(const EditOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  if (options.undo) return Undo(options, &client);
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
  return Change(options, response.letter(), &client);
}

}  // namespace outboard::app
