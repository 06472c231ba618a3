// A plugin process for the tests of supervision, which misbehaves as its first argument says. Libc
// only.

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

void IgnoreAllSignals() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_IGN);
}

[[noreturn]] void SleepForEver() {
  for (;;) pause();
}

// Tells the test that all is set up: the file `ready` in the folder that is its mark.
void TellReady() {
  const char* dir = getenv("SUPERVISE_TEST_MARK");
  if (dir == nullptr || chdir(dir) != 0) return;
  if (FILE* const file = fopen("ready", "w"); file != nullptr) fclose(file);
}

// A daemon as of old: its own session, no parent but whoever collects orphans.
void Escape() {
  if (const pid_t between = fork(); between != 0) {
    waitpid(between, nullptr, 0);
    return;
  }
  setsid();
  if (fork() != 0) _exit(0);
  SleepForEver();
}

// Ignores every signal and the end of stdin; so do a child in its group, and one that fled from it.
[[noreturn]] void IgnoreEverything() {
  IgnoreAllSignals();
  if (fork() == 0) SleepForEver();
  Escape();
  TellReady();
  SleepForEver();
}

// Ends with 0 at the end of its stdin.
int EndWithStdin() {
  IgnoreAllSignals();
  TellReady();
  char byte;
  while (read(0, &byte, 1) > 0) {
  }
  return 0;
}

volatile sig_atomic_t terminated = 0;

// Deaf to stdin, ends with 7 at SIGTERM.
int EndWithSigterm() {
  signal(SIGTERM, [](int) { terminated = 1; });
  TellReady();
  while (terminated == 0) usleep(10'000);
  return 7;
}

// Lists its open descriptors but the listing's own.
int ListDescriptors() {
  DIR* const dir = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
      printf("fd=%s\n", entry->d_name);
  }
  return 0;
}

// What it inherited: signals ignored or blocked, privileges, group. Signals 32 and 33 are glibc's
// own, which its posix_spawn may leave ignored and its programs set up anew.
int ShowState() {
  const unsigned long long glibc_signals = 0x180000000;
  FILE* const status = fopen("/proc/self/status", "r");
  char line[256];
  while (fgets(line, sizeof(line), status) != nullptr) {
    unsigned long long mask;
    if (sscanf(line, "SigIgn: %llx", &mask) == 1) printf("ignored=%llx\n", mask & ~glibc_signals);
    if (sscanf(line, "SigBlk: %llx", &mask) == 1) printf("blocked=%llx\n", mask);
    if (strncmp(line, "NoNewPrivs", 10) == 0) fputs(line, stdout);
  }
  int death_signal = 0;
  prctl(PR_GET_PDEATHSIG, &death_signal);
  printf("leads_group=%d death_signal=%d\n", getpgrp() == getpid(), death_signal);
  return 0;
}

int UseMemory() {
  const size_t size = 64 << 20;
  char* const memory = static_cast<char*>(malloc(size));
  for (size_t i = 0; i < size; i += 4096) memory[i] = 1;
  return memory[size - 4096] == 1 ? 0 : 1;
}

int Flood() {
  for (int i = 0; i < 200'000; ++i) printf("line %d of a flood that nobody could read\n", i);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  if (strcmp(mode, "ignore-everything") == 0) IgnoreEverything();
  if (strcmp(mode, "end-with-stdin") == 0) return EndWithStdin();
  if (strcmp(mode, "end-with-sigterm") == 0) return EndWithSigterm();
  if (strcmp(mode, "list-descriptors") == 0) return ListDescriptors();
  if (strcmp(mode, "show-state") == 0) return ShowState();
  if (strcmp(mode, "use-memory") == 0) return UseMemory();
  if (strcmp(mode, "flood") == 0) return Flood();
  fprintf(stderr, "victim: unknown mode %s\n", mode);
  return 2;
}
