// The text of a key is nowhere in a program's memory once that has a connection by it.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <steward/core/auth.hpp>
#include <steward/core/auth_key.hpp>
#include <steward/manager/private_server.hpp>
#include <steward/shm/unique_fd.hpp>
#include <steward/steward.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward::detail::test {
namespace {

// No letter of a key becomes the end of a line by it.
constexpr char kMask = '\x80';

// There and back: what is searched for must not be found where the search keeps it.
std::string masked(std::string_view text) {
  std::string result(text);
  for (char& letter : result) letter = static_cast<char>(letter ^ kMask);
  return result;
}

std::size_t times_in(std::string_view memory, std::string_view masked_text) {
  std::size_t times = 0;
  const auto is_it = [](char letter, char masked) { return (letter ^ kMask) == masked; };
  for (auto at = memory.begin(); at != memory.end(); ++at) {
    at = std::search(at, memory.end(), masked_text.begin(), masked_text.end(), is_it);
    if (at == memory.end()) break;
    ++times;
  }
  return times;
}

// How often the text is in the memory of a process of ours.
std::size_t copies_in(pid_t pid, std::string_view masked_text) {
  const std::string directory = "/proc/" + std::to_string(pid);
  const shm::UniqueFd memory(::open((directory + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
  std::ifstream maps(directory + "/maps");
  std::string part;
  std::size_t copies = 0;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char readable = 0;
    char writable = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %c%c", &begin, &end, &readable,
                    &writable) != 4) {
      continue;
    }
    if (readable != 'r' || writable != 'w') continue;
    part.resize(end - begin);
    const ssize_t size =
        ::pread(memory.get(), part.data(), part.size(), static_cast<off_t>(begin));
    if (size <= 0) continue;
    part.resize(static_cast<std::size_t>(size));
    copies += times_in(part, masked_text);
    core::erase(part.data(), part.size());
  }
  return copies;
}

// Behind the prefix, which all keys have.
constexpr std::size_t kBegin = 12;

TEST(KeyMemory, HasNoTextOfAKeyByWhichAProgramHasConnected) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer keeps what was freed";
  Forked server([](int out) {
    std::string key = generate_key();
    const manager::PrivateServer serving{manager::Types(),
                                         {.address = "tcp://127.0.0.1:0", .key = key}};
    std::string said = serving.addresses().back() + '\n' + masked(key) + '\n';
    if (::write(out, said.data(), said.size()) < 0) return 1;
    return ::poll(nullptr, 0, -1);
  });
  const std::string address = server.line();
  const std::string hidden = server.line();
  ASSERT_GT(hidden.size(), kBegin);
  ConnectOptions options{.key = masked(hidden)};
  EXPECT_GT(copies_in(::getpid(), std::string_view(hidden).substr(kBegin)), 0U);
  const Manager manager = Manager::connect(address, options);
  core::erase(options.key);
  EXPECT_EQ(copies_in(::getpid(), std::string_view(hidden).substr(kBegin)), 0U);
  const List<int> list = manager.list<int>({1});
  Forked child([&](int) {  // connects by itself, without the text
    return list.at(0) == 1 ? 0 : 1;
  });
  EXPECT_EQ(child.join(), 0);
}

// The process server is a copy of the program as it was, and may have what the program had; the
// manager's process has nothing.
TEST(KeyMemory, HasNoTextOfAKeyThatAManagerWasStartedWith) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer keeps what was freed";
  const Manager first;  // the process server is there
  ManagerOptions options{.address = "tcp://127.0.0.1:0", .key = generate_key()};
  const std::string hidden = masked(options.key).substr(kBegin);
  const Manager manager(options);
  core::erase(options.key);
  EXPECT_EQ(copies_in(::getpid(), hidden), 0U);
  EXPECT_EQ(copies_in(manager.pid(), hidden), 0U);
}

}  // namespace
}  // namespace steward::detail::test
