#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/base/mutex.h"
#include "host/supervise/supervisor.h"

namespace outboard::supervise {

// True once `condition` holds; false if it does not within half a minute.
bool Eventually(const std::function<bool()>& condition);

// A supervisor over a data folder of its own, and all that it told. What a test starts carries a
// mark in its environment, by which it is found wherever it fled to.
class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest();
  ~SupervisorTest() override;

  // Fails the test if it cannot be made.
  void MakeSupervisor() { MakeSupervisor(Options()); }
  void MakeSupervisor(SupervisorOptions options);
  // Ends all and writes out the log.
  void DropSupervisor() { supervisor_.reset(); }
  SupervisorOptions Options();

  // `argv` as plugin "victim", with short times.
  ProgramSpec Spec(std::vector<std::string> argv) const;
  ProgramSpec Shell(const std::string& script) const { return Spec({"/bin/sh", "-c", script}); }
  ProgramSpec Victim(const std::string& mode) const;
  InstanceKey Key(int number = 0) const { return {"victim", number, false}; }

  std::vector<Started> started() const;
  std::vector<Ended> ended() const;
  std::vector<InstanceKey> removed() const;
  // Waits for them; the test fails if they do not come.
  Started AwaitStarted(size_t count = 1);
  Ended AwaitEnded(size_t count = 1);

  // Living processes with this test's mark: plugins, what they forked, and their launchers.
  std::vector<pid_t> Marked() const;
  // Waits until `count` of them are there.
  bool AwaitMarked(size_t count) const;
  // The same once a victim has set itself up, with all that it forks.
  bool AwaitVictim(size_t count) const;

  const std::string& data_dir() const { return data_dir_; }
  const std::string& mark() const { return mark_; }
  Supervisor& supervisor() { return *supervisor_; }
  // Folders of processes in data_dir/run.
  std::vector<std::string> SocketDirs() const;

 private:
  std::string data_dir_;
  std::string mark_;
  mutable Mutex mu_;
  std::vector<Started> started_ OUTBOARD_GUARDED_BY(mu_);
  std::vector<Ended> ended_ OUTBOARD_GUARDED_BY(mu_);
  std::vector<InstanceKey> removed_ OUTBOARD_GUARDED_BY(mu_);
  std::unique_ptr<Supervisor> supervisor_;
};

// Path of a program that was built beside this test.
std::string Beside(const std::string& name);

}  // namespace outboard::supervise
