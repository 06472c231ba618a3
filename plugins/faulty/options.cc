#include "plugins/faulty/options.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <functional>

namespace outboard::faulty {
namespace {

struct FaultHelp {
  const char* name;
  const char* help;
};

constexpr FaultHelp kFaults[] = {
    {"done", "handle it well"},
    {"segv", "die by SIGSEGV (crash is the same)"},
    {"crash", "as segv"},
    {"abort", "die by SIGABRT"},
    {"kill", "die by SIGKILL"},
    {"exit[:CODE]", "exit with that code, 1 by default"},
    {"stop", "SIGSTOP itself: alive and silent"},
    {"oom[:SIZE]", "take memory up to SIZE (1g) or the limit, then die as by bad_alloc"},
    {"leak[:SIZE]", "take SIZE (10m) and keep it, then DONE"},
    {"hang", "block the handler for ever"},
    {"deadlock", "block for ever with the lock that all else of the session needs"},
    {"busy[:TIME]", "burn CPU for TIME (for ever), then DONE"},
    {"slow[:TIME]", "block the handler for TIME (500ms), then DONE"},
    {"late[:TIME]", "answer DONE after TIME (1s) while others are handled"},
    {"progress[:TIME]", "block the handler for TIME (2s) but say so every 100 ms, then DONE"},
    {"silent", "never answer this one, handle the others"},
    {"retry[:TIME]", "RETRY, not before TIME"},
    {"retry-until:N[:TIME]", "RETRY until attempt N, then DONE"},
    {"reject", "REJECT"},
    {"release", "RELEASE"},
    {"emit:TYPE", "DONE with an event of that type and the same data"},
    {"emit-many:N", "DONE with N events of type faulty.emitted"},
    {"unknown-id", "answer an id that was never sent"},
    {"zero-id", "answer id 0"},
    {"zero-outcome", "answer with OUTCOME_UNSPECIFIED"},
    {"twice", "answer DONE twice in one frame"},
    {"contradict", "answer DONE, then REJECT in a later frame"},
    {"no-failure", "RETRY without a failure"},
    {"bad-reason", "REJECT with a reason that is a sentence"},
    {"bad-retry-after", "RETRY after a negative time"},
    {"emit-retry", "RETRY with an event"},
    {"progress-unknown", "progress of an id that was never sent, then DONE"},
    {"forget-cancelled", "answer when cancelled never, else after 200 ms"},
    {"forget-late", "never answer an attempt after the first"},
    {"forget-large", "never answer one of 64 KiB and more"},
    {"last-first", "hold what is in hand, and answer it from the last to the first"},
    {"chatty", "DONE as a verdict in a frame of its own"},
    {"bad-utf8", "REJECT with a message that is not UTF-8"},
    {"oversize[:SIZE]", "answer in a frame of SIZE (16m)"},
    {"flood[:N]", "send N progress frames (for ever), then DONE"},
    {"end-ok", "end the stream with OK, nothing answered"},
    {"half-close", "close every connection for writing, then hang"},
    {"unread", "read nothing further from the host, then DONE"},
    {"end-error", "end the stream with INTERNAL"},
    {"drop", "with --at-close: end with OK at once, what is in hand unanswered"},
    {"opened-again", "send a second Opened, then DONE"},
    {"early", "with --at-open: answer before Opened"},
    {"other-instance", "with --at-open: Opened with another instance_id"},
    {"any-component", "with --at-open: open a component that there is not"},
    {"one-session", "with --at-open: refuse a session while another is open"},
    {"twin", "with --at-describe: another version each time"},
    {"no-role", "with --at-describe: components without a role"},
    {"no-schema", "with --at-describe: a config schema that is no JSON"},
    {"any-config", "with --at-describe: a schema, and no word of configs that break it"},
    {"boast", "with --at-describe: max_message_bytes of 8 MiB, though it takes 4"},
    {"not-serving", "with --at-describe: grpc.health.v1 says NOT_SERVING"},
    {"blocked", "with --at-describe: no answer while a session is open"},
    {"deaf", "with --at-start: ignore signals and the end of stdin, but not Close"},
    {"pause[:TIME]", "lower the window to 0 (for TIME, else for ever), and DONE"},
    {"fork", "start a child of the same process group that outlives it, then DONE"},
    {"fork-away", "the same in a session of its own"},
    {"noise[:N]", "print N (1) lines on stdout and on stderr, then DONE"},
    {"noise-long[:SIZE]", "print one line of SIZE (1m), then DONE"},
    {"noise-bytes", "print bytes that are not UTF-8, then DONE"},
    {"noise-json", "print a structured line, then DONE"},
    {"tell-config[:FAULT]",
     "print its config everywhere, then die by FAULT, else REJECT with it in every text"},
};

std::string_view BareName(std::string_view name) {
  return name.substr(0, name.find_first_of(":["));
}

struct Flag {
  const char* name;
  const char* argument;  // Null: the flag takes none.
  const char* help;
  std::function<bool(Options&, const std::string&)> set;
};

template <typename T>
bool ParseNumber(const std::string& text, T* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool ParseKnownFault(const std::string& text, Fault* out) {
  *out = ParseFault(text);
  return IsKnownFault(out->name);
}

std::vector<Flag> IdentityFlags() {
  return {
      {"--name", "NAME", "name in Describe (faulty)",
       [](Options& o, const std::string& v) { return o.name = v, true; }},
      {"--version-name", "TEXT", "version in Describe (1.0)",
       [](Options& o, const std::string& v) { return o.version = v, true; }},
      {"--component", "NAME", "a component; again for more (one: faulty)",
       [](Options& o, const std::string& v) { return o.components.push_back(v), true; }},
      {"--event-type", "PATTERN", "types it takes; again for more (all)",
       [](Options& o, const std::string& v) { return o.event_types.push_back(v), true; }},
      {"--emits", "PATTERN", "types it may emit; again for more (#)",
       [](Options& o, const std::string& v) { return o.emits.push_back(v), true; }},
      {"--concurrency", "N", "handler threads (1)",
       [](Options& o, const std::string& v) {
         return ParseNumber(v, &o.concurrency) && o.concurrency > 0;
       }},
      {"--max-in-flight", "N", "in Describe (0: no limit)",
       [](Options& o, const std::string& v) { return ParseNumber(v, &o.max_in_flight); }},
      {"--max-message-bytes", "N", "in Describe, and enforced (0: 4 MiB)",
       [](Options& o, const std::string& v) { return ParseNumber(v, &o.max_message_bytes); }},
      {"--in-order", nullptr, "says in_order (keep to it with --concurrency 1)",
       [](Options& o, const std::string&) { return o.in_order = true; }},
      {"--batch", "N", "most deliveries taken in hand at once (256)",
       [](Options& o, const std::string& v) { return ParseNumber(v, &o.batch) && o.batch > 0; }},
      {"--config-error", "TEXT", "Describe reports this as an error of the config",
       [](Options& o, const std::string& v) { return o.config_error = v, true; }},
      {"--listen", "ADDRESS", "instead of $OUTBOARD_LISTEN",
       [](Options& o, const std::string& v) { return o.listen = v, true; }},
  };
}

std::vector<Flag> FaultFlags() {
  return {
      {"--mode", "FAULT", "for events that name none in their attribute (done)",
       [](Options& o, const std::string& v) { return ParseKnownFault(v, &o.mode); }},
      {"--every", "N", "--mode only for every Nth event (1)",
       [](Options& o, const std::string& v) { return ParseNumber(v, &o.every) && o.every > 0; }},
      {"--after", "N", "--mode only after N events of this process (0)",
       [](Options& o, const std::string& v) { return ParseNumber(v, &o.after); }},
      {"--times", "N", "--mode at most N times in this process (0: no limit)",
       [](Options& o, const std::string& v) { return ParseNumber(v, &o.times); }},
      {"--once", "FILE", "no fault of any kind once FILE exists; made before the first one",
       [](Options& o, const std::string& v) { return o.once = v, true; }},
      {"--at-start", "FAULT", "before it listens; slow, hang, exit, segv, noise ...",
       [](Options& o, const std::string& v) { return ParseKnownFault(v, &o.at_start); }},
      {"--at-describe", "FAULT", "in Describe; hang: never answers",
       [](Options& o, const std::string& v) { return ParseKnownFault(v, &o.at_describe); }},
      {"--at-open", "FAULT", "before Opened; silent: never says it; end-error: refuses",
       [](Options& o, const std::string& v) { return ParseKnownFault(v, &o.at_open); }},
      {"--at-close", "FAULT", "when the host closes; drop, end-error, silent: never end the stream",
       [](Options& o, const std::string& v) { return ParseKnownFault(v, &o.at_close); }},
      {"--ignore-everything", nullptr, "ignore signals, the end of stdin, and Close",
       [](Options& o, const std::string&) { return o.ignore_everything = true; }},
      {"--ledger", "FILE", "append 'id attempt pid' before DONE is answered",
       [](Options& o, const std::string& v) { return o.ledger = v, true; }},
      {"--ledger-sync", "each|none", "fdatasync the ledger before the answer (each)",
       [](Options& o, const std::string& v) {
         o.ledger_sync = v == "each";
         return o.ledger_sync || v == "none";
       }},
      {"--ledger-all", nullptr, "the ledger has every verdict, named in a fourth column",
       [](Options& o, const std::string&) { return o.ledger_all = true; }},
      {"--ledger-time", nullptr, "after 'pid' the ledger has the time, in microseconds since 1970",
       [](Options& o, const std::string&) { return o.ledger_time = true; }},
      {"--taken", "FILE", "append 'id attempt pid' when an event is taken in hand (no sync)",
       [](Options& o, const std::string& v) { return o.taken = v, true; }},
  };
}

void PrintFlags(const std::vector<Flag>& flags) {
  for (const Flag& flag : flags) {
    const std::string left =
        std::string(flag.name) + (flag.argument ? std::string(" ") + flag.argument : "");
    std::printf("  %-28s %s\n", left.c_str(), flag.help);
  }
}

void PrintHelp() {
  std::printf(
      "outboard-faulty: a worker plugin that does wrong on purpose, for tests and for people to "
      "try.\n\n"
      "Usage: outboard-faulty [flags]     (the host sets OUTBOARD_LISTEN)\n"
      "Example: run: [outboard-faulty, --mode, segv, --every, \"1000\"]\n\n"
      "What it is:\n");
  PrintFlags(IdentityFlags());
  std::printf("\nWhat it does:\n");
  PrintFlags(FaultFlags());
  std::printf(
      "\nFAULT is one of these; an event picks one by its attribute 'faulty', which goes before "
      "--mode:\n");
  for (const FaultHelp& fault : kFaults) std::printf("  %-28s %s\n", fault.name, fault.help);
  std::printf("\nTIME is like 250us, 500ms, 2s, 1m; SIZE like 4096, 64k, 10m, 1g.\n");
}

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "outboard-faulty: %s (--help lists everything)\n", message.c_str());
  std::exit(2);
}

}  // namespace

Fault ParseFault(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::optional<std::chrono::microseconds> ParseDuration(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, text.data() + text.size() - end);
  const uint64_t scale = unit == "us"   ? 1
                         : unit == "ms" ? 1000
                         : unit == "s"  ? 1000 * 1000
                         : unit == "m"  ? 60 * 1000 * 1000
                                        : 0;
  if (scale == 0) return std::nullopt;
  return std::chrono::microseconds(number * scale);
}

std::optional<uint64_t> ParseSize(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, text.data() + text.size() - end);
  if (unit.empty()) return number;
  if (unit == "k") return number << 10;
  if (unit == "m") return number << 20;
  if (unit == "g") return number << 30;
  return std::nullopt;
}

bool IsKnownFault(std::string_view name) {
  return std::any_of(std::begin(kFaults), std::end(kFaults),
                     [&](const FaultHelp& fault) { return BareName(fault.name) == name; });
}

Options ParseOptionsOrExit(int argc, char** argv) {
  Options options;
  std::vector<Flag> flags = IdentityFlags();
  for (Flag& flag : FaultFlags()) flags.push_back(std::move(flag));
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    if (name == "--help" || name == "-h") PrintHelp(), std::exit(0);
    std::optional<std::string> value;
    if (const size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const auto flag =
        std::find_if(flags.begin(), flags.end(), [&](const Flag& f) { return f.name == name; });
    if (flag == flags.end()) Fail("unknown flag '" + name + "'");
    if (!flag->argument && value) Fail(name + " takes no value");
    if (flag->argument && !value) {
      if (++i == argc) Fail(name + " needs a value: " + flag->argument);
      value = argv[i];
    }
    if (!flag->set(options, value.value_or(""))) {
      Fail(name + ": '" + *value + "' is not a valid " + flag->argument);
    }
  }
  if (options.components.empty()) options.components = {"faulty"};
  if (options.emits.empty()) options.emits = {"#"};
  return options;
}

}  // namespace outboard::faulty
