#include "host/app/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <csignal>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/app/cli/verbs.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

const std::vector<std::string> kVerbs = {"serve", "check", "status", "publish",
                                         "tail",  "dead",  "lane",   "version"};
const std::vector<std::string> kLaterVerbs = {"reload", "new", "try", "conform", "why"};
const std::vector<std::string> kDeadVerbs = {"list", "show", "replay", "purge"};
const std::vector<std::string> kLaterDeadVerbs = {"edit"};
const std::vector<std::string> kLaneVerbs = {"list", "forget"};
const std::vector<std::string> kLaterLaneVerbs = {"pause", "resume"};

// A check of an option for CLI11, whose own say neither what was given nor, in less than a screen,
// what would do: empty, or what is wrong with the text.
template <typename Integer>
std::function<std::string(const std::string&)> WholeNumber(Integer least,
                                                           const std::string& where = "") {
  return [least, where](const std::string& text) {
    Integer number;
    if (absl::SimpleAtoi(text, &number) && number >= least) return std::string();
    const std::string end =
        sizeof(Integer) < 8 ? absl::StrCat("to ", std::numeric_limits<Integer>::max()) : "on";
    return absl::StrCat("\"", Truncate(text, 40), "\" is no whole number from ", least, " ", end,
                        where);
  };
}

// Of the id of a dead letter.
std::function<std::string(const std::string&)> DeadId(uint64_t least = 1) {
  return WholeNumber<uint64_t>(least, "; `outboard dead list` shows the ids");
}

std::string NumberAboveZero(const std::string& text) {
  double number;
  if (absl::SimpleAtod(text, &number) && number > 0 && std::isfinite(number)) return "";
  return absl::StrCat("\"", Truncate(text, 40), "\" is no number above 0, such as 5 or 0.5");
}

// All verbs, their flags and what to do; lives while the line is parsed and run.
class CommandLine {
 public:
  CommandLine(const Terminal& terminal, const std::function<int(const ServeOptions&)>& serve,
              const std::function<int(const CheckOptions&)>& check)
      : terminal_(terminal), app_("A plugin host for event buses.", "outboard") {
    app_.require_subcommand(1);
    app_.set_help_flag("-h,--help", "Show this and exit");
    app_.set_version_flag("--version", std::string("outboard ") + OUTBOARD_VERSION);
    app_.footer("Help of a verb: outboard VERB --help");
    AddServe(serve);
    AddCheck(check);
    AddStatus();
    AddPublish();
    AddTail();
    AddDead();
    AddLane();
    AddVersion();
  }

  int Run(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& success) {  // Help and version.
      app_.exit(success, terminal_.out, terminal_.err);
      return kOk;
    } catch (const CLI::ParseError& error) {
      return Misused(error);
    }
    return run_();
  }

 private:
  int Misused(const CLI::ParseError& error) {
    std::string verb = "outboard";
    for (const CLI::App* app = &app_; app != nullptr;) {
      const std::vector<CLI::App*> chosen = app->get_subcommands();
      app = chosen.empty() ? nullptr : chosen.front();
      if (app != nullptr) absl::StrAppend(&verb, " ", app->get_name());
    }
    terminal_.err << verb << ": " << EscapeForPeople(error.what());
    // A file behind a verb that takes none is the configuration.
    const std::vector<std::string> extras = app_.remaining(true);
    const bool takes_config = verb == "outboard serve" || verb == "outboard check";
    if (takes_config && extras.size() == 1 && extras[0].rfind('-', 0) != 0) {
      terminal_.err << "; did you mean --config " << EscapeForPeople(extras[0]) << "?";
    }
    terminal_.err << "; see " << verb << " --help" << std::endl;
    return kUsage;
  }

  CLI::App* Add(CLI::App* parent, const std::string& name, const std::string& what,
                const std::string& example, std::function<int()> run) {
    CLI::App* verb = parent->add_subcommand(name, what);
    verb->footer("Example:\n  " + example);
    verb->callback([this, run = std::move(run)] { run_ = run; });
    return verb;
  }

  // A verb that only holds others.
  CLI::App* AddGroup(const std::string& name, const std::string& what) {
    CLI::App* group = app_.add_subcommand(name, what);
    group->require_subcommand(1);
    group->footer("Example:\n  outboard " + name + " list");
    return group;
  }

  static void AddHost(CLI::App* verb, HostOptions* options) {
    verb->add_flag("--json", options->json, "Answer in JSON on standard output");
    verb->add_option("--socket", options->socket, "The host's admin socket")->type_name("PATH");
    verb->add_option("--config", options->config, "The host's configuration, to find its socket")
        ->type_name("FILE");
    verb->add_option("--name", options->name, "The host's name, to find its socket")
        ->type_name("NAME");
  }

  void AddServe(const std::function<int(const ServeOptions&)>& serve) {
    CLI::App* verb =
        Add(&app_, "serve", "Run the host until SIGTERM or Ctrl-C",
            "outboard serve --config outboard.yaml", [=, this] { return serve(serve_); });
    verb->add_option("--config", serve_.config, "Default: $OUTBOARD_CONFIG, else ./outboard.yaml")
        ->type_name("FILE");
    verb->add_flag("--json", serve_.json, "Log in JSON");
  }

  void AddCheck(const std::function<int(const CheckOptions&)>& check) {
    CLI::App* verb =
        Add(&app_, "check", "Say all that is wrong with a configuration",
            "outboard check --config outboard.yaml", [=, this] { return check(check_); });
    verb->add_option("--config", check_.config, "Default: $OUTBOARD_CONFIG, else ./outboard.yaml")
        ->type_name("FILE");
    verb->add_flag("--json", check_.json, "Answer in JSON on standard output");
    verb->add_flag_callback(
        "--no-plugins", [this] { check_.plugins = false; },
        "Read the file only; start no plugin to ask it");
  }

  void AddStatus() {
    AddHost(Add(&app_, "status", "Show what a running host does", "outboard status --name tracker",
                [this] { return RunStatus(host_, terminal_); }),
            &host_);
  }

  void AddPublish() {
    CLI::App* verb = Add(
        &app_, "publish", "Publish one event, or lines of CloudEvents JSON",
        "outboard publish --type story.post --source storyboard --data '{\"title\": \"Hello\"}'\n"
        "  outboard publish --file feed.ndjson --rate 5\n"
        "  tail -f feed.ndjson | outboard publish -",
        [this] {
          publish_.host = host_;
          return RunPublish(publish_, terminal_);
        });
    AddHost(verb, &host_);
    verb->add_option("--type", publish_.type, "Type of the event")->type_name("TYPE");
    verb->add_option("--source", publish_.source, "Source of the event")->type_name("URI");
    verb->add_option("--subject", publish_.subject, "Subject of the event")->type_name("TEXT");
    verb->add_option("--id", publish_.id, "Id of the event; default: a fresh UUID")
        ->type_name("TEXT");
    verb->add_option("--data", publish_.data, "Data of the event: JSON, or any text")
        ->type_name("TEXT")
        ->each([this](const std::string&) { publish_.has_data = true; });
    verb->add_option("--data-file", publish_.data_file, "Data from a file, - for standard input")
        ->type_name("FILE");
    verb->add_option("--content-type", publish_.content_type, "Media type of the data")
        ->type_name("TYPE");
    verb->add_option("--attribute", publish_.attributes, "A further attribute, any number of times")
        ->type_name("NAME=VALUE")
        ->take_all();
    verb->add_option("--file,file", publish_.file,
                     "Lines of CloudEvents JSON, - for standard input")
        ->type_name("FILE");
    verb->add_option("--from-line", publish_.from_line, "Begin with this line")
        ->type_name("N")
        ->check(WholeNumber<uint64_t>(1));
    verb->add_option("--rate", publish_.rate, "At most so many events a second")
        ->type_name("N")
        ->check(NumberAboveZero);
    verb->add_option("--confirmed-log", publish_.confirmed_log,
                     "Append the id of each confirmed event")
        ->type_name("FILE");
  }

  void AddTail() {
    CLI::App* verb = Add(&app_, "tail", "Follow events as the bus accepts them",
                         "outboard tail --type 'story.#' --last 10", [this] {
                           tail_.host = host_;
                           return RunTail(tail_, terminal_);
                         });
    AddHost(verb, &host_);
    verb->add_option("--type", tail_.types,
                     "Types, * for one word and # for any; any number of times")
        ->type_name("PATTERN")
        ->take_all();
    verb->add_option("--last", tail_.last, "Begin so many events back")
        ->type_name("N")
        ->check(WholeNumber<uint32_t>(0));
  }

  CLI::App* AddDeadVerb(CLI::App* group, const std::string& name, const std::string& what,
                        const std::string& example,
                        int (*run)(const DeadOptions&, const Terminal&)) {
    CLI::App* verb = Add(group, name, what, example, [this, run] {
      dead_.host = host_;
      return run(dead_, terminal_);
    });
    AddHost(verb, &host_);
    return verb;
  }

  void AddDeadFilter(CLI::App* verb) {
    verb->add_option("--lane", dead_.lane, "Only of this lane, as stories/notifier")
        ->type_name("LANE");
    verb->add_option("--reason", dead_.reason, "Only with this reason code")->type_name("CODE");
  }

  void AddDead() {
    CLI::App* group = AddGroup("dead", "Look after dead letters");
    CLI::App* list = AddDeadVerb(group, "list", "List dead letters, oldest first",
                                 "outboard dead list --lane stories/notifier", RunDeadList);
    AddDeadFilter(list);
    list->add_option("--limit", dead_.limit, "At most so many")
        ->type_name("N")
        ->check(WholeNumber<uint32_t>(1));
    list->add_option("--after", dead_.after, "Only those after this id")
        ->type_name("ID")
        ->check(DeadId(0));
    CLI::App* show = AddDeadVerb(group, "show", "Show one dead letter whole",
                                 "outboard dead show 17", RunDeadShow);
    show->add_option("id", dead_.ids, "Its id")
        ->required()
        ->expected(1)
        ->type_name("ID")
        ->check(DeadId());
    CLI::App* replay =
        AddDeadVerb(group, "replay", "Give dead letters back to the lanes that failed",
                    "outboard dead replay 17 18\n  outboard dead replay --lane stories/notifier",
                    RunDeadReplay);
    CLI::App* purge = AddDeadVerb(group, "purge", "Delete dead letters for good",
                                  "outboard dead purge --reason HANDLER_ERROR --yes", RunDeadPurge);
    for (CLI::App* verb : {replay, purge}) {
      AddDeadFilter(verb);
      verb->add_option("ids", dead_.ids, "Their ids")->type_name("ID")->check(DeadId());
      verb->add_flag("--all", dead_.all, "All there are");
    }
    purge->add_flag("--yes", dead_.yes, "Do not ask");
  }

  void AddLane() {
    CLI::App* group = AddGroup("lane", "Look after lanes");
    AddHost(Add(group, "list", "List lanes, orphans too", "outboard lane list",
                [this] { return RunLaneList(host_, terminal_); }),
            &host_);
    CLI::App* forget = Add(group, "forget", "Forget a lane that no route makes any more",
                           "outboard lane forget stories/old --to-dead", [this] {
                             forget_.host = host_;
                             return RunLaneForget(forget_, terminal_);
                           });
    AddHost(forget, &host_);
    forget->add_option("lane", forget_.lane, "The lane, as stories/notifier")
        ->required()
        ->type_name("LANE");
    CLI::Option* discard =
        forget->add_flag("--discard", forget_.discard, "Delete the events that it holds");
    forget->add_flag("--to-dead", forget_.to_dead, "Make dead letters of them")->excludes(discard);
    forget->add_flag("--yes", forget_.yes, "Do not ask");
  }

  void AddVersion() {
    CLI::App* verb = Add(&app_, "version", "Show the version", "outboard version",
                         [this] { return RunVersion(host_.json, terminal_); });
    verb->add_flag("--json", host_.json, "Answer in JSON");
  }

  const Terminal& terminal_;
  CLI::App app_;
  std::function<int()> run_ = [] { return static_cast<int>(kUsage); };
  HostOptions host_;
  ServeOptions serve_;
  CheckOptions check_;
  PublishOptions publish_;
  TailOptions tail_;
  DeadOptions dead_;
  ForgetOptions forget_;
};

bool IsIn(const std::string& word, const std::vector<std::string>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Tells of a verb that is not there; true if it did. `group` is empty or "dead " and the like.
bool TellUnknown(const Terminal& terminal, const std::string& group, const std::string& word,
                 const std::vector<std::string>& verbs, const std::vector<std::string>& later) {
  if (word.empty() || word[0] == '-' || IsIn(word, verbs)) return false;
  const std::string shown = EscapeForPeople(Truncate(word, 60));
  terminal.err << "outboard: ";
  if (IsIn(word, later)) {
    terminal.err << group << shown << " does not exist yet in version " << OUTBOARD_VERSION;
  } else {
    terminal.err << "there is no verb " << group << shown;
    const std::string near = Nearest(word, verbs);
    if (!near.empty()) terminal.err << "; did you mean " << group << near << "?";
  }
  terminal.err << "\nverbs: " << absl::StrJoin(verbs, ", ") << std::endl;
  return true;
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv, const Terminal& terminal,
                   const std::function<int(const ServeOptions&)>& serve,
                   const std::function<int(const CheckOptions&)>& check) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string verb = argc > 1 ? argv[1] : "";
  const std::string second = argc > 2 ? argv[2] : "";
  if (TellUnknown(terminal, "", verb, kVerbs, kLaterVerbs)) return kUsage;
  if (verb == "dead" && TellUnknown(terminal, "dead ", second, kDeadVerbs, kLaterDeadVerbs))
    return kUsage;
  if (verb == "lane" && TellUnknown(terminal, "lane ", second, kLaneVerbs, kLaterLaneVerbs))
    return kUsage;
  return CommandLine(terminal, serve, check).Run(argc, argv);
}

}  // namespace outboard::app
