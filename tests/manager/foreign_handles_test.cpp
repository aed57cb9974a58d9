// Handles that name a manager which nobody here has chosen: when it is dialled, and whether.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/core/codec.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/token.hpp>
#include <steward/manager/private_server.hpp>
#include <steward/shm/unique_fd.hpp>
#include <steward/steward.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/error_text.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

// Listens, says nothing, and sees who comes.
class Trap {
 public:
  Trap() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    auto* any = reinterpret_cast<sockaddr*>(&name);
    if (::bind(socket_.get(), any, size) != 0 || ::listen(socket_.get(), 10) != 0 ||
        ::getsockname(socket_.get(), any, &size) != 0) {
      throw SystemError(errno, "cannot listen");
    }
    address_ = "tcp://127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  }
  const std::string& address() const { return address_; }
  bool was_visited() const {
    pollfd entry{socket_.get(), POLLIN, 0};
    return ::poll(&entry, 1, 0) > 0;
  }

 private:
  shm::UniqueFd socket_;
  std::string address_;
};

// A list of a manager that nobody knows, as a stranger may write it.
struct Planted {
  std::string address;
  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    core::Token token;
    token.incarnation = *core::Incarnation::from("0123456789abcdef");
    token.object = core::ObjectId{7};
    token.type = "list";
    token.addresses = {address};
    std::string encoded;
    core::Writer writer(encoded);
    core::encode_token(writer, token);
    const std::string_view payload = core::Reader(encoded).extension().payload;
    packer.pack_ext(payload.size(), core::kHandleExtension);
    packer.pack_ext_body(payload.data(), static_cast<std::uint32_t>(payload.size()));
  }
  void msgpack_unpack(const msgpack::object&) {}
};

TEST(ForeignHandles, OfAManagersResultAreDialledByTheirFirstUse) {
  const Trap trap;
  const Manager manager;
  manager.list<Planted>(named("l")).append({trap.address()});
  const List<int> list = manager.list<List<int>>(named("l")).at(0);
  EXPECT_FALSE(trap.was_visited());
  EXPECT_THROW(list.with_timeout(50ms).size(), Error);
  EXPECT_TRUE(trap.was_visited());
}

TEST(ForeignHandles, OfAMessageAreDialledByTheirFirstUse) {
  const Trap trap;
  Listener listener("tcp://127.0.0.1:0");
  auto near = Connection<Planted>::connect(listener.address());
  auto far = listener.accept<List<int>>();
  near.send({trap.address()});
  const List<int> list = far.recv();
  EXPECT_FALSE(trap.was_visited());
  EXPECT_THROW(list.with_timeout(50ms).size(), Error);
  EXPECT_TRUE(trap.was_visited());
}

TEST(ForeignHandles, InAValueOfAMessageAreDialledByTheirFirstUse) {
  const Trap trap;
  Listener listener("tcp://127.0.0.1:0");
  auto near = Connection<Planted>::connect(listener.address());
  auto far = listener.accept<Value>();
  near.send({trap.address()});
  const List<int> list = far.recv().as<List<int>>();
  EXPECT_FALSE(trap.was_visited());
  EXPECT_THROW(list.with_timeout(50ms).size(), Error);
  EXPECT_TRUE(trap.was_visited());
}

// A manager that this process has no session with yet, and what is allowed on the one it makes.
class AllowedTest : public testing::Test {
 protected:
  AllowedTest()
      : server_(manager::Types(), {}),
        manager(Manager::connect(server_.addresses().front(),
                                 {.allow = [this](std::string_view address) {
                                   asked.emplace_back(address);
                                   if (throws) throw BadCall("policy");
                                   return allowed;
                                 }})) {}

 private:
  manager::PrivateServer server_;

 protected:
  bool allowed = false;
  bool throws = false;
  std::vector<std::string> asked;
  Manager manager;
  Trap trap;
};

TEST_F(AllowedTest, IsAskedBeforeTheManagerOfAHandleIsDialled) {
  manager.list<Planted>(named("l")).append({trap.address()});
  const List<int> list = manager.list<List<int>>(named("l")).at(0);
  EXPECT_TRUE(asked.empty());
  const std::string text = text_of<Disconnected>([&] { list.size(); });
  EXPECT_THAT(text, HasSubstr(trap.address() + " is not allowed"));
  EXPECT_THAT(asked, ElementsAre(trap.address()));
  EXPECT_FALSE(trap.was_visited());
  allowed = true;
  EXPECT_THROW(list.with_timeout(50ms).size(), Error);
  EXPECT_TRUE(trap.was_visited());
}

// Not one error of an address among others.
TEST_F(AllowedTest, WhatItThrowsTheCallThrows) {
  manager.list<Planted>(named("l")).append({trap.address()});
  const List<int> list = manager.list<List<int>>(named("l")).at(0);
  throws = true;
  EXPECT_THAT(text_of<BadCall>([&] { list.size(); }), HasSubstr("policy"));
  EXPECT_THAT(asked, ElementsAre(trap.address()));
  EXPECT_FALSE(trap.was_visited());
}

TEST_F(AllowedTest, CountsForHandlesThatCameByNoSession) {
  Listener listener("tcp://127.0.0.1:0");
  auto near = Connection<Planted>::connect(listener.address());
  auto far = listener.accept<List<int>>();
  near.send({trap.address()});
  const List<int> list = far.recv();
  EXPECT_THROW(list.size(), Disconnected);
  EXPECT_THAT(asked, ElementsAre(trap.address()));
  EXPECT_FALSE(trap.was_visited());
}

// One session a manager: whoever has connected it counts.
TEST(Allowed, OfEverybodyWhoHasConnectedTheSessionMustAgree) {
  const Trap trap;
  const manager::PrivateServer server{manager::Types(), {}};
  const std::string& address = server.addresses().front();
  const Manager first = Manager::connect(address);
  int asked = 0;
  bool allowed = false;
  const auto allow = [&](std::string_view) {
    ++asked;
    return allowed;
  };
  const Manager second = Manager::connect(address, {.allow = allow});
  const Manager third = Manager::connect(address);
  first.list<Planted>(named("l")).append({trap.address()});
  const List<int> list = first.list<List<int>>(named("l")).at(0);
  EXPECT_THROW(list.size(), Disconnected);
  EXPECT_EQ(asked, 1);
  EXPECT_FALSE(trap.was_visited());
  allowed = true;
  EXPECT_THROW(list.with_timeout(50ms).size(), Error);
  EXPECT_TRUE(trap.was_visited());
}

TEST_F(AllowedTest, CountsInAForkedChildAndAfterTheManagersDeath) {
  Listener listener("tcp://127.0.0.1:0");
  auto near = Connection<Planted>::connect(listener.address());
  auto far = listener.accept<List<int>>();
  near.send({trap.address()});
  const List<int> list = far.recv();
  Forked child([&](int) {
    try {
      list.size();
    } catch (const Disconnected&) {
    }
    return asked.size() == 1 ? 0 : 1;
  });
  EXPECT_EQ(child.join(), 0);
  manager.shutdown();
  EXPECT_THROW(manager.number_of_objects(), Disconnected);
  EXPECT_THROW(list.size(), Disconnected);
  EXPECT_EQ(asked.size(), 1U);
  EXPECT_FALSE(trap.was_visited());
}

TEST_F(AllowedTest, IsAskedForManagersThatAreConnectedOverTcp) {
  const manager::PrivateServer other{manager::Types(), {.address = "tcp://127.0.0.1:0"}};
  const std::string& address = other.addresses().back();
  const Manager remote = Manager::connect(address);
  const List<List<int>> lists = manager.list<List<int>>({remote.list<int>({5})});
  const List<int> list = lists.at(0);
  EXPECT_THROW(list.at(0), Disconnected);
  EXPECT_THAT(asked, ElementsAre(address));
  allowed = true;
  EXPECT_EQ(list.at(0), 5);
}

TEST_F(AllowedTest, IsNotAskedForWhatTheProgramNames) {
  const manager::PrivateServer other{manager::Types(), {}};
  Manager named_here = Manager::connect(other.addresses().front());
  const List<int> list = named_here.list<int>({5});
  EXPECT_EQ(open<List<int>>(list.handle().str()).at(0), 5);
  EXPECT_TRUE(asked.empty());
}

// A handle as somebody writes it who was lent nothing: without a lease.
struct WithoutLeases final : core::HandleCodec {
  core::Token outgoing(const core::Reference& reference) override {
    core::Token token = reference.outgoing();
    token.nonce.reset();
    return token;
  }
  core::ReferencePtr incoming(core::Token token) override {
    return std::make_shared<const core::Reference>(std::move(token));
  }
};

TEST(HandlesInMessages, NeedALeaseOnlyFromStrangers) {
  const Manager manager;
  const List<int> list = manager.list<int>({5});
  WithoutLeases codec;
  std::string message;
  {
    const core::HandleCodecScope scope(codec);
    core::pack(message, list);
  }
  const std::string socket =
      "ipc://" + testing::TempDir() + "steward-handles-" + std::to_string(::getpid());
  for (const std::string& address : {socket, std::string("tcp://127.0.0.1:0")}) {
    Listener listener(address);
    auto near = Connection<List<int>>::connect(listener.address());
    auto far = listener.accept<List<int>>();
    near.send_bytes(message);
    const List<int> received = far.recv();
    if (address == socket) {
      EXPECT_EQ(received.at(0), 5);
    } else {
      EXPECT_THROW(received.at(0), StaleHandle);
    }
  }
}

// By a manager over tcp without a key, whose handles need their leases.
TEST(HandlesOfStrangers, AreGoodAgainWhileTheyAreInUse) {
  const manager::PrivateServer server{manager::Types(), {.address = "tcp://127.0.0.1:0"}};
  const std::string& address = server.addresses().back();
  const Manager stranger = Manager::connect(address);
  const Manager mine;
  const List<List<int>> lists = stranger.list<List<int>>({mine.list<int>({5})});
  List<int> list = lists.at(0);
  EXPECT_EQ(list.at(0), 5);
  {
    const Manager again = Manager::connect(address, {.allow = [](std::string_view) {
                                             return true;
                                           }});
    EXPECT_EQ(lists.at(0).at(0), 5);
  }
  EXPECT_EQ(lists.at(0).at(0), 5);
  list = {};
  EXPECT_EQ(mine.number_of_objects(), 0U);
  EXPECT_THROW(lists.at(0).at(0), StaleHandle);
}

// `allow` has to be asked for the handle that it asks by.
TEST(HandlesOfStrangers, CannotBeWhatTheyAreAllowedBy) {
  const manager::PrivateServer server{manager::Types(), {}};
  static const List<List<int>>* lists = nullptr;
  static int asked = 0;
  const Manager manager = Manager::connect(server.addresses().front(), {.allow = [](auto) {
                                             ++asked;
                                             return lists == nullptr || lists->at(0).at(0) == 5;
                                           }});
  const Manager other;
  const auto made = manager.list<List<int>>({other.list<int>({5})});
  lists = &made;
  EXPECT_THROW(made.at(0).size(), BadCall);
  EXPECT_LT(asked, 100);
  lists = nullptr;  // it may be asked as long as the process lives
}

TEST_F(AllowedTest, IsAskedForManagersThatAreConnected) {
  const manager::PrivateServer other{manager::Types(), {}};
  const Manager known = Manager::connect(other.addresses().front());
  const List<List<int>> lists = manager.list<List<int>>({known.list<int>({5})});
  const List<int> list = lists.at(0);
  EXPECT_THROW(list.at(0), Disconnected);
  const std::string& address = other.addresses().front();
  EXPECT_THAT(asked, ElementsAre(address.substr(0, address.find('?'))));
  allowed = true;
  EXPECT_EQ(list.at(0), 5);
}

}  // namespace
}  // namespace steward::detail::test
