// SPDX-License-Identifier: Apache-2.0
//
// For vary_test.cc: depends on what a variation changes.
//
//   fragile MISTAKE     exits with 1 if it meets what the mistake can't stand
//   fragile correct     makes none of them: does the same things well
#include <dirent.h>
#include <fcntl.h>
#include <langinfo.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace {

std::string Temporary() {
  const char* const directory = getenv("TMPDIR");
  return directory == nullptr ? "/tmp" : directory;
}

int Processors() {
  cpu_set_t cpus;
  return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 0;
}

// 11 o'clock of a day in UTC, in winter.
struct tm Local() {
  const time_t moment = 20000 * 86400 + 11 * 3600;
  struct tm local;
  localtime_r(&moment, &local);
  return local;
}

mode_t ModeOfNewFile() {
  const std::string path = Temporary() + "/new";
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_EXCL, 0666);
  struct stat info = {};
  if (fd < 0 || fstat(fd, &info) != 0) return 0;
  close(fd);
  unlink(path.c_str());
  return info.st_mode & 0777;
}

std::vector<std::string> FilesAsListed() {
  const std::string directory = Temporary() + "/list";
  mkdir(directory.c_str(), 0700);
  for (char name = 'a'; name <= 'p'; ++name) {
    close(open((directory + "/" + name).c_str(), O_CREAT | O_WRONLY, 0600));
  }
  std::vector<std::string> names;
  DIR* const stream = opendir(directory.c_str());
  while (const struct dirent* entry = readdir(stream)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(stream);
  return names;
}

size_t EnvironmentSize() {
  size_t size = 0;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    size += strlen(*entry) + 1;
  }
  return size;
}

bool HasUtf8() {
  setlocale(LC_ALL, "");
  return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

struct Mistake {
  const char* name;
  bool (*works)();
};

const Mistake kMistakes[] = {
    {"cpus", [] { return Processors() - 1 > 0; }},
    {"timezone-east", [] { return Local().tm_mday == 4; }},
    {"timezone-west", [] { return Local().tm_gmtoff % 3600 == 0; }},
    {"locale-c", [] { return HasUtf8(); }},
    {"locale-comma",
     [] {
       setlocale(LC_ALL, "");
       return strtod("0.5", nullptr) > 0;
     }},
    {"user", [] { return getuid() != 0; }},
    {"umask-077", [] { return (ModeOfNewFile() & 044) != 0; }},
    {"umask-000", [] { return (ModeOfNewFile() & 022) == 0; }},
    {"hostname",
     [] {
       char name[256];
       return gethostname(name, sizeof(name)) == 0 && strlen(name) < 48;
     }},
    {"home",
     [] {
       const char* const home = getenv("HOME");
       return home != nullptr && access(home, F_OK) == 0;
     }},
    {"paths",
     [] {
       return system(("cd " + Temporary() + " 2>/dev/null").c_str()) == 0;
     }},
    {"readdir",
     [] {
       // What every tmpfs does, and no file system on a disk.
       const std::vector<std::string> names = FilesAsListed();
       return !std::is_sorted(names.rbegin(), names.rend());
     }},
    {"aslr", [] { return (personality(0xffffffff) & ADDR_NO_RANDOMIZE) == 0; }},
    {"memory",
     [] {
       // Too large for what was freed before, so it comes from the kernel.
       // By a pointer that compilers don't look through.
       void* (*volatile allocate)(size_t) = malloc;
       return static_cast<const char*>(allocate(100000))[5000] == 0;
     }},
    {"descriptors-high",
     [] { return open("/dev/null", O_RDONLY) < FD_SETSIZE; }},
    {"descriptors-few",
     [] {
       int last = 0;
       for (int i = 0; i < 300 && last >= 0; ++i) {
         last = open("/dev/null", O_RDONLY);
       }
       return last >= 0;
     }},
    {"stdin-empty",
     [] {
       char byte;
       return fcntl(0, F_GETFD) < 0 || read(0, &byte, 1) == 1;
     }},
    {"stdin-closed", [] { return open("/dev/null", O_RDONLY) > 0; }},
    {"terminal", [] { return isatty(STDOUT_FILENO) == 0; }},
    {"environment-minimal",
     [] { return getenv("SETTING_OF_A_DEVELOPER") != nullptr; }},
    {"environment-large", [] { return EnvironmentSize() < 65536; }},
};

// What the mistakes are about, done so that it works anywhere.
bool IsCorrect() {
  if (std::max(1, Processors() - 1) < 1) return false;
  const time_t moment = 0;
  struct tm utc;
  if (gmtime_r(&moment, &utc) == nullptr || utc.tm_hour != 0) return false;
  setlocale(LC_ALL, "C");
  if (strtod("0.5", nullptr) != 0.5) return false;
  const std::string path = Temporary() + "/new";
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_EXCL, 0600);
  if (fd < 0 || fchmod(fd, 0644) != 0 || close(fd) != 0) return false;
  if (ModeOfNewFile() != 0) return false;  // the name is taken
  if (unlink(path.c_str()) != 0) return false;
  std::vector<std::string> names = FilesAsListed();
  std::sort(names.begin(), names.end());
  return names.size() == 16 && names.front() == "a";
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  if (name == "correct") return IsCorrect() ? 0 : 1;
  for (const Mistake& mistake : kMistakes) {
    if (name != mistake.name) continue;
    if (mistake.works()) return 0;
    printf("%s: doesn't work here\n", mistake.name);
    return 1;
  }
  return 2;
}
