#include "host/supervise/start_error.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "host/base/text.h"

namespace outboard::supervise {

std::string StartError(const ProgramSpec& spec, const ReportPacket& report) {
  const std::string what = absl::StrCat("plugin ", spec.name, ": cannot ");
  const std::string why = absl::StrCat(": ", std::strerror(report.error), "; fix: ");
  const std::string who = spec.sandbox.on && !spec.sandbox.user.empty()
                              ? absl::StrCat("the user ", EscapeForPeople(spec.sandbox.user))
                          : spec.sandbox.on && spec.sandbox.own_user != 0
                              ? "the plugin's own user (or set sandbox.user)"
                              : "this user";
  switch (report.step) {
    case StartStep::kFork:
      return absl::StrCat(what, "make a process", why, "raise the limit of processes or memory");
    case StartStep::kDirectory:
      return absl::StrCat(what, "enter ", EscapeForPeople(spec.directory), why,
                          "make that folder one that ", who, " can enter");
    case StartStep::kMeasure:
      return absl::StrCat("plugin ", spec.name, ": it is not started: ", DescribeUnapplied(report),
                          "; or set `require: false`");
    case StartStep::kExecute: break;
  }
  const std::string run = absl::StrCat(what, "run ", EscapeForPeople(spec.argv[0]), why);
  if (report.error == ENOENT) {
    return absl::StrCat(
        run, "the file is there, so the interpreter in its first line, or the loader of ",
        "its binary, is not: install that or correct the line",
        spec.sandbox.on ? " (the sandbox hides what lies in /tmp outside of the working folder)"
                        : "");
  }
  if (report.error == ENOEXEC) {
    return absl::StrCat(
        run, "begin a script with a line such as #!/usr/bin/env python3; build a binary ",
        "for this machine");
  }
  return absl::StrCat(
      run, "check that ", who,
      " may execute it, all folders above it too, and that its file system allows it");
}

}  // namespace outboard::supervise
