// Asking many managers at once who they are.
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/client/address.hpp>
#include <steward/client/control_socket.hpp>
#include <steward/client/unix_socket.hpp>
#include <steward/core/writer.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/poll.hpp>

namespace steward::detail::client {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::chrono::minutes kPlenty{1};

class Inquiries : public testing::Test {
 protected:
  Inquiries() {
    std::string name = (fs::temp_directory_path() / "inquire-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    directory = name;
  }
  ~Inquiries() override { fs::remove_all(directory); }

  IpcAddress at(const std::string& name) const {
    return *parse_ipc("ipc://" + directory + "/" + name);
  }
  shm::UniqueFd control(const std::string& name) const {
    shm::UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    const auto address = unix_address(at(name).control);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address),
              0);
    EXPECT_EQ(::listen(socket.get(), 8), 0);
    return socket;
  }

  // Lets the next one in and hears it out.
  static shm::UniqueFd peer(const shm::UniqueFd& control) {
    shm::UniqueFd socket(::accept(control.get(), nullptr, nullptr));
    EXPECT_TRUE(shm::receive_with_fds(socket.get(), kControlMessageBytes).message);
    return socket;
  }
  static bool nobody_waits(const shm::UniqueFd& control) {
    return !shm::poll_until(control.get(), POLLIN, std::chrono::steady_clock::now());
  }

  static void answer(const shm::UniqueFd& socket, std::uint64_t objects,
                     const std::vector<std::string>& addresses) {
    std::string bytes;
    core::Writer writer(bytes);
    writer.array(5);
    writer.natural(kControlVersion);
    writer.string(kAboutWord);
    writer.natural(1000);
    writer.natural(objects);
    writer.array(addresses.size());
    for (const std::string& address : addresses) writer.string(address);
    shm::send_with_fds(socket.get(), bytes);
  }
  static void refuse(const shm::UniqueFd& socket, std::string_view reason) {
    std::string bytes;
    core::Writer writer(bytes);
    writer.array(3);
    writer.natural(kControlVersion);
    writer.nil();
    writer.string(reason);
    shm::send_with_fds(socket.get(), bytes);
  }

  std::string directory;
};

// Nobody is answered before all have been asked.
TEST_F(Inquiries, AreMadeAllAtOnceAndOnce) {
  const shm::UniqueFd first = control("a");
  const shm::UniqueFd second = control("b");
  auto answers = std::async(std::launch::async, [&] {
    return inquire({at("a"), at("b")}, kPlenty);
  });
  const shm::UniqueFd to_first = peer(first);
  const shm::UniqueFd to_second = peer(second);
  answer(to_second, 2, {"ipc:///private", "ipc:///given"});
  answer(to_first, 1, {"ipc:///private"});
  const auto all = answers.get();
  ASSERT_EQ(all.size(), 2U);
  ASSERT_TRUE(all[0] && all[1]);
  EXPECT_EQ(all[0]->silence + all[1]->silence, "");
  EXPECT_EQ(all[0]->objects, 1U);
  EXPECT_EQ(all[1]->objects, 2U);
  EXPECT_EQ(all[1]->pid, ::getpid());
  EXPECT_THAT(all[1]->addresses, ElementsAre("ipc:///private", "ipc:///given"));
  EXPECT_TRUE(nobody_waits(first) && nobody_waits(second));
}

TEST_F(Inquiries, ThoseInVainSpoilNoOther) {
  const shm::UniqueFd hangs_up = control("a");
  const shm::UniqueFd refuses = control("b");
  control("dead");
  const shm::UniqueFd answers = control("d");
  auto asked = std::async(std::launch::async, [&] {
    return inquire({at("a"), at("b"), at("dead"), at("missing"), at("d")}, kPlenty);
  });
  peer(hangs_up).reset();
  refuse(peer(refuses), "it has no descriptors");
  answer(peer(answers), 7, {});
  const auto all = asked.get();
  ASSERT_TRUE(all[0] && all[1] && all[4]);
  EXPECT_THAT(all[0]->silence, HasSubstr("/a hung up"));
  EXPECT_EQ(all[0]->pid, ::getpid());
  EXPECT_THAT(all[1]->silence, HasSubstr("/b refused: it has no descriptors"));
  EXPECT_FALSE(all[2]) << "nobody listens";
  EXPECT_FALSE(all[3]) << "there is no socket";
  EXPECT_EQ(all[4]->silence, "");
  EXPECT_EQ(all[4]->objects, 7U);
}

TEST_F(Inquiries, WhoIsSilentIsNamed) {
  const shm::UniqueFd mute = control("mute");
  const auto all = inquire({at("mute")}, core::Duration::zero());
  ASSERT_TRUE(all.at(0));
  EXPECT_EQ(all[0]->silence, "the manager at " + at("mute").text + " does not answer, pid " +
                                 std::to_string(::getpid()));
}

}  // namespace
}  // namespace steward::detail::client
