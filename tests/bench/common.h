#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace outboard::bench {

// CLOCK_MONOTONIC in nanoseconds: the same clock in all processes of a machine.
int64_t NowNanos();
// User and system time of this process so far, in seconds.
double CpuSeconds();

// Flags of the form --name value; a name that is not in `defaults`, or lacks its value, is said on
// stderr and ends the program with 2. Returns the defaults with what was given.
std::map<std::string, std::string> ReadFlags(int argc, char** argv,
                                             std::map<std::string, std::string> defaults);

// Calls `each` with 0, 1, 2 ... at the rate (per second), late ones at once.
void AtRate(int64_t count, int64_t rate, const std::function<void(int64_t)>& each);

// Writes "name": [values] and `end` to stdout.
void PrintList(const char* name, const std::vector<int64_t>& values, const char* end);

// The p-th part (0 to 1) of the values, which it sorts; 0 where there are none.
int64_t Percentile(std::vector<int64_t>* values, double p);

// Writes a file whole, and gives it its name when it is: who waits for the name never reads half.
// Ends the program where it cannot.
void WriteFile(const std::string& path, const std::string& text);

// A payload of `size` bytes that looks like JSON and begins with 16 hexadecimal digits of `stamp`.
std::string Payload(size_t size, int64_t stamp);
// The stamp of such a payload; 0 where it has none.
int64_t StampOf(std::string_view payload);

}  // namespace outboard::bench
