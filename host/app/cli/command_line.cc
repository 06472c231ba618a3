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

const std::vector<std::string> kVerbs = {"serve", "check",   "status", "publish", "tail",
                                         "dead",  "lane",    "reload", "why",     "new",
                                         "try",   "conform", "version"};
const std::vector<std::string> kDeadVerbs = {"list", "group", "show", "edit", "replay", "purge"};
const std::vector<std::string> kLaneVerbs = {"list", "pause", "resume", "forget"};

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
    AddReload();
    AddWhy();
    AddNew();
    AddConform();
    AddTry();
    AddVersion();
  }

  int Run(int argc, const char* const* argv) {
    try {
      app_.parse(TakePluginCommand(argc, argv), argv);
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
    AddRemote(verb, &options->remote);
  }

  // Each has a variable, for what empty ones mean.
  static void AddRemote(CLI::App* verb, RemoteOptions* remote) {
    verb->add_option("--address", remote->address, "A host over TCP; $OUTBOARD_ADDRESS")
        ->type_name("HOST:PORT");
    verb->add_option("--token-file", remote->token_file,
                     "With --address: holds the token; $OUTBOARD_TOKEN_FILE")
        ->type_name("FILE");
    verb->add_option("--ca", remote->ca,
                     "With --address: CA of the host's certificate; $OUTBOARD_CA")
        ->type_name("FILE");
    verb->add_option("--cert", remote->cert,
                     "With --address: this client's certificate; $OUTBOARD_CERT")
        ->type_name("FILE");
    verb->add_option("--key", remote->key, "With --address: its key; $OUTBOARD_KEY")
        ->type_name("FILE");
    verb->add_option("--server-name", remote->server_name,
                     "With --address: the name in the host's certificate; $OUTBOARD_SERVER_NAME")
        ->type_name("NAME");
    verb->add_flag("--plaintext", remote->plaintext,
                   "With --address: no TLS, though it is no loopback address");
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
        "--no-plugins", [this] { check_.plugins = false; }, "Start no plugin to ask it");
    verb->add_flag_callback(
        "--offline", [this] { check_.plugins = check_.broker = false; },
        "Read the file only; ask neither plugins nor the broker");
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
    verb->add_option("--receipts", publish_.receipts,
                     "Wait at most so long for the end of one event in each lane")
        ->type_name("SECONDS")
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
    verb->add_option("--route", dead_.route, "Only of lanes of this route")->type_name("ROUTE");
    verb->add_option("--target", dead_.target, "Only of lanes to this target")->type_name("TARGET");
    verb->add_option("--reason", dead_.reason, "Only with this reason code")->type_name("CODE");
    verb->add_option("--group", dead_.group, "Only of this cause, as dead group names it")
        ->type_name("KEY");
    verb->add_option("--plugin-version", dead_.version, "Only with this version of the plugin")
        ->type_name("VERSION");
    verb->add_option("--type", dead_.type, "Only events of this type, * one word and # any")
        ->type_name("PATTERN");
    verb->add_option("--source", dead_.source, "Only events of this source")->type_name("URI");
    verb->add_option("--subject", dead_.subject, "Only events of this subject")->type_name("TEXT");
    verb->add_option("--event", dead_.event, "Only the event of this id")->type_name("ID");
    verb->add_option("--attribute", dead_.attributes,
                     "Only events with this attribute, any number of times")
        ->type_name("NAME=VALUE")
        ->take_all();
    verb->add_option("--since", dead_.since, "Only those that died then or later: 15m, 2h, 3d ago")
        ->type_name("TIME");
    verb->add_option("--before", dead_.before, "Only those that died earlier")->type_name("TIME");
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
    AddDeadFilter(AddDeadVerb(group, "group", "Group dead letters by cause, the largest first",
                              "outboard dead group --since 2h", RunDeadGroup));
    CLI::App* show = AddDeadVerb(group, "show", "Show one dead letter whole",
                                 "outboard dead show 17", RunDeadShow);
    show->add_option("id", dead_.ids, "Its id")
        ->required()
        ->expected(1)
        ->type_name("ID")
        ->check(DeadId());
    AddDeadEdit(group);
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
      verb->add_flag("--dry-run", dead_.dry_run, "Only say how many it would be");
    }
    replay->add_option("--rate", dead_.rate, "At most so many a second")
        ->type_name("N")
        ->check(NumberAboveZero);
    purge->add_flag("--yes", dead_.yes, "Do not ask");
  }

  void AddDeadEdit(CLI::App* group) {
    CLI::App* edit =
        Add(group, "edit", "Change what a replay gives back; the letter keeps its event",
            "outboard dead edit 17\n"
            "  outboard dead edit 17 --set tenant=acme --data fixed.json",
            [this] {
              edit_.host = host_;
              return RunDeadEdit(edit_, terminal_);
            });
    AddHost(edit, &host_);
    edit->add_option("id", edit_.id, "Its id")->required()->type_name("ID")->check(DeadId());
    CLI::Option* set = edit->add_option("--set", edit_.set,
                                        "An attribute, any number of times; NAME= takes it out")
                           ->type_name("NAME=VALUE")
                           ->take_all();
    CLI::Option* data =
        edit->add_option("--data", edit_.data_file, "The data, from a file")->type_name("FILE");
    edit->add_flag("--undo", edit_.undo, "The event as it was")->excludes(set)->excludes(data);
    edit->add_flag("--dry-run", edit_.dry_run, "Only show the difference");
  }

  void AddLane() {
    CLI::App* group = AddGroup("lane", "Look after lanes");
    AddHost(Add(group, "list", "List lanes, orphans too", "outboard lane list",
                [this] { return RunLaneList(host_, terminal_); }),
            &host_);
    AddPause(group, "pause", "Have a lane take nothing more until it is resumed", true);
    AddPause(group, "resume", "Have a paused lane go on, or one that dead letters stop", false);
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

  void AddPause(CLI::App* group, const std::string& name, const std::string& what, bool paused) {
    CLI::App* verb =
        Add(group, name, what, "outboard lane " + name + " stories/notifier", [this, paused] {
          pause_.host = host_;
          pause_.paused = paused;
          return RunLanePause(pause_, terminal_);
        });
    AddHost(verb, &host_);
    verb->add_option("lane", pause_.lane, "Its name, as `outboard lane list` shows it")
        ->required()
        ->type_name("LANE");
  }

  void AddReload() {
    CLI::App* verb = Add(&app_, "reload", "Bring a changed configuration in force",
                         "outboard reload --dry-run\n  outboard reload --replace notifier", [this] {
                           reload_.host = host_;
                           return RunReload(reload_, terminal_);
                         });
    AddHost(verb, &host_);
    CLI::Option* dry =
        verb->add_flag("--dry-run", reload_.dry_run, "Only show what the file changes");
    verb->add_flag("--apply", reload_.apply, "Bring it in force, as without any flag")
        ->excludes(dry);
    verb->add_option("--replace", reload_.replace,
                     "A plugin whose instances are replaced though its configuration is the same, "
                     "any number of times")
        ->type_name("PLUGIN")
        ->take_all();
  }

  // Of verbs that are given a plugin: everything from its command on is the plugin's own. Gives how
  // many words are left for the verb.
  int TakePluginCommand(int argc, const char* const* argv) {
    const std::string verb = argc > 1 ? argv[1] : "";
    if (verb != "conform" && verb != "try") return argc;
    for (int i = 2; i < argc; ++i) {
      const std::string word = argv[i];
      if (word == "--" || word.empty() || word[0] != '-') {
        plugin_.command.assign(argv + (word == "--" ? i + 1 : i), argv + argc);
        return i;
      }
      const CLI::Option* option = app_.get_subcommand(verb)->get_option_no_throw(word);
      if (option != nullptr && option->get_items_expected_max() > 0) ++i;
    }
    return argc;
  }

  void AddPlugin(CLI::App* verb) {
    // For the help only: TakePluginCommand has taken it.
    verb->add_option("plugin", plugin_.command, "Its command with all arguments, or its address")
        ->type_name("COMMAND...|ADDRESS");
    verb->add_option("--config", plugin_.config, "The plugin's config: a file, or JSON; default {}")
        ->type_name("FILE|JSON");
    verb->add_option("--component", plugin_.component, "Only this component")->type_name("NAME");
    verb->add_option("--event", plugin_.events,
                     "Events that the plugin can handle, one line of CloudEvents JSON each")
        ->type_name("FILE");
    verb->add_option("--env", plugin_.env, "A variable for the plugin, any number of times")
        ->type_name("NAME=VALUE")
        ->take_all();
    verb->add_option("--patience", plugin_.patience, "Seconds without a sign of life; default 10")
        ->type_name("SECONDS")
        ->check(NumberAboveZero);
    verb->add_option("--start-timeout", plugin_.start_timeout,
                     "Seconds for the start and for opened; default 60")
        ->type_name("SECONDS")
        ->check(NumberAboveZero);
    verb->add_flag("--plugin-output", plugin_.show_output,
                   "Show what the plugin prints, on standard error");
  }

  void AddConform() {
    CLI::App* verb =
        Add(&app_, "conform", "Grade a plugin against the contract, without a bus",
            "outboard conform --config '{\"path\": \"/tmp/a\"}' ./my-plugin --its-own-flag\n"
            "  outboard conform --grade fast --junit result.xml ./venv/bin/python main.py\n"
            "  outboard conform unix:/tmp/plugin.sock",
            [this] {
              conform_.plugin = plugin_;
              return RunConform(conform_, terminal_);
            });
    AddPlugin(verb);
    verb->add_option("--grade", conform_.grade, "Rules up to this grade; default robust")
        ->type_name("basic|robust|fast")
        ->check(CLI::IsMember({"basic", "robust", "fast"}));
    verb->add_option("--rule", conform_.rules, "Only this rule, any number of times")
        ->type_name("ID")
        ->take_all();
    verb->add_flag("--list", conform_.list, "Show all rules and how to keep them");
    verb->add_flag("--transcript", conform_.transcript, "Show what was said, frame by frame");
    verb->add_flag("--json", conform_.json, "Answer in JSON on standard output");
    verb->add_option("--junit", conform_.junit, "Write the results for a CI system too")
        ->type_name("FILE");
  }

  void AddTry() {
    CLI::App* verb = Add(&app_, "try", "Run one plugin against events of a file, without a bus",
                         "outboard try --event samples.ndjson ./venv/bin/python main.py", [this] {
                           try_.plugin = plugin_;
                           return RunTry(try_, terminal_);
                         });
    AddPlugin(verb);
    verb->add_flag("--json", try_.json, "One line of JSON for each event, on standard output");
  }

  void AddNew() {
    CLI::App* verb = Add(&app_, "new", "Make a plugin that builds and runs, with a test",
                         "outboard new --lang python --role worker greeter",
                         [this] { return RunNew(new_, terminal_); });
    verb->add_option("name", new_.name, "Its name: letters, digits, - and _")
        ->required()
        ->type_name("NAME");
    verb->add_option("--lang", new_.language, "Its language")
        ->required()
        ->type_name("python|cpp")
        ->check(CLI::IsMember({"python", "cpp"}));
    verb->add_option("--role", new_.role, "Its role; default worker")
        ->type_name("worker|stage|producer")
        ->check(CLI::IsMember({"worker", "stage", "producer"}));
    verb->add_option("--folder", new_.folder, "Where to; default: a folder of that name")
        ->type_name("DIR");
    verb->add_option("--sdk", new_.sdk,
                     "The folder sdk of a clone; default: of the clone in which outboard lies")
        ->type_name("DIR");
    verb->add_flag("--json", new_.json, "Answer in JSON on standard output");
  }

  void AddWhy() {
    CLI::App* verb = Add(&app_, "why", "Tell what became of an event, and what it waits for",
                         "outboard why tracker-0002\n  outboard why tracker-0002 --tree", [this] {
                           why_.host = host_;
                           return RunWhy(why_, terminal_);
                         });
    AddHost(verb, &host_);
    verb->add_option("id", why_.id, "The id of the event")->required()->type_name("EVENT-ID");
    verb->add_option("--source", why_.source, "Only the event of this source")->type_name("URI");
    verb->add_flag("--tree", why_.tree, "Also what it was emitted from, and what was emitted");
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
  EditOptions edit_;
  ForgetOptions forget_;
  PauseOptions pause_;
  ReloadOptions reload_;
  PluginOptions plugin_;
  ConformOptions conform_;
  TryOptions try_;
  NewOptions new_;
  WhyOptions why_;
};

// Tells of a verb that is not there; true if it did. `group` is empty or "dead " and the like.
bool TellUnknown(const Terminal& terminal, const std::string& group, const std::string& word,
                 const std::vector<std::string>& verbs) {
  const bool known = std::find(verbs.begin(), verbs.end(), word) != verbs.end();
  if (word.empty() || word[0] == '-' || known) return false;
  const std::string shown = EscapeForPeople(Truncate(word, 60));
  terminal.err << "outboard: there is no verb " << group << shown;
  const std::string near = Nearest(word, verbs);
  if (!near.empty()) terminal.err << "; did you mean " << group << near << "?";
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
  if (TellUnknown(terminal, "", verb, kVerbs)) return kUsage;
  if (verb == "dead" && TellUnknown(terminal, "dead ", second, kDeadVerbs)) return kUsage;
  if (verb == "lane" && TellUnknown(terminal, "lane ", second, kLaneVerbs)) return kUsage;
  return CommandLine(terminal, serve, check).Run(argc, argv);
}

}  // namespace outboard::app
