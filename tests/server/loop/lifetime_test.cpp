// The server from its start to its end: what it owes to the engine, to those who wait, to those who
// stop it, and what it leaves behind.
#include <sys/eventfd.h>
#include <unistd.h>

#include <functional>
#include <span>
#include <stdexcept>
#include <thread>

#include <steward/engine/engine.hpp>
#include <steward/tests/server/loop/loop_test.hpp>

namespace steward::detail::test {
namespace {

using core::kManagerObject;

std::size_t entries_of(const std::string& directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}
std::size_t threads() { return entries_of("/proc/self/task"); }
std::size_t descriptors() { return entries_of("/proc/self/fd"); }

class Lifetime : public LoopTest {};

// Remembers what it was given, and what clients had seen by then.
class Ledger final : public engine::Engine {
 public:
  bool keeps() const override { return true; }
  void append(std::span<const std::string> inputs) override {
    if (before_append) before_append();
    if (broken) throw std::runtime_error("the disk is full");
    kept.insert(kept.end(), inputs.begin(), inputs.end());
  }
  std::function<void()> before_append;
  bool broken = false;
  std::vector<std::string> kept;
};

class Gate : public LoopTest {
 protected:
  void SetUp() override {
    server::ServerOptions options;
    options.engine = &ledger;
    network = server::LocalNetwork::make();
    server = std::make_unique<server::Server>(nullptr, network->listen(),
                                              server::builtin_classes(), std::move(options));
  }
  // Its farewell goes through the ledger, which must still be there.
  ~Gate() override { server.reset(); }
  BareClient connect() {
    BareClient client(std::make_unique<LocalWire>(*network), pump());
    client.hello();
    return client;
  }
  Ledger ledger;
  std::shared_ptr<server::LocalNetwork> network;
};

TEST_F(Gate, NothingIsSeenBeforeItIsKept) {
  BareClient client = connect();
  EXPECT_EQ(ledger.kept.size(), 1U) << "the session";
  const core::ObjectId list = client.create("list");
  const std::size_t before = ledger.kept.size();
  bool asked = false;
  ledger.before_append = [&] {
    asked = true;
    EXPECT_FALSE(client.wire().receive()) << "the reply was there before its input was kept";
  };
  client.get(list, "append", Value(1));
  EXPECT_TRUE(asked);
  EXPECT_EQ(ledger.kept.size(), before + 1);
  ledger.before_append = nullptr;
  EXPECT_EQ(client.get(list, "size").integer(), 1);
  EXPECT_EQ(ledger.kept.size(), before + 1) << "reads leave no trace";
}

TEST_F(Gate, WhatCannotBeKeptIsNeverSeen) {
  BareClient client = connect();
  const core::ObjectId list = client.create("list");
  ledger.broken = true;
  client.post(list, "append", arguments(Value(1)));
  EXPECT_THROW(server->step(0ms), std::runtime_error);
  EXPECT_FALSE(client.wire().receive());
}

TEST_F(Lifetime, LeavesNoDescriptorThreadOrFileBehind) {
  const auto live = [this] {
    start();
    const std::string place = directory();
    BareClient client = LoopTest::client();
    client.create("list");
    const auto silent = connect_control_socket(directory());
    client.post(client.create("queue"), "get", arguments());
    step();
    server.reset();
    return place;
  };
  live();  // what libraries and sanitizers open once and for all
  const std::size_t descriptors_before = descriptors();
  const std::size_t threads_before = threads();
  EXPECT_FALSE(std::filesystem::exists(live()));
  // The kernel counts a thread a moment longer than join does.
  EXPECT_TRUE(test::eventually(poll_briefly, [&] { return threads() <= threads_before; }));
  EXPECT_EQ(descriptors(), descriptors_before);
}

TEST_F(Lifetime, ParksAThousandCallsWithoutAThread) {
  start();
  BareClient client = LoopTest::client();
  BareClient other = LoopTest::client();
  const core::ObjectId queue = client.create("queue", "q");
  other.create("queue", "q");
  const std::size_t threads_before = threads();
  std::vector<core::Seq> waiting;
  for (int i = 0; i < 1000; ++i) waiting.push_back(client.post(queue, "get", arguments()));
  ASSERT_TRUE(eventually([&] { return server->core().number_parked() == 1000; }));
  EXPECT_EQ(threads(), threads_before);
  Value::List items;
  for (int i = 0; i < 1000; ++i) items.push_back(i);
  other.get(queue, "put_many", Value(items));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(client.answer(waiting[static_cast<std::size_t>(i)]).result.integer(), i);
  }
}

TEST_F(Lifetime, ParkedCallsEndAtTheirDeadline) {
  start();
  BareClient client = LoopTest::client();
  const core::ObjectId queue = client.create("queue");
  const auto begin = now();
  const core::Seq get = client.post(queue, "get", arguments(), 30);
  EXPECT_EQ(client.answer(get).code, core::ErrorCode::timed_out);
  EXPECT_GE(now() - begin, 30ms);
}

TEST_F(Lifetime, AShutdownCallIsAnsweredAndEverybodyIsTold) {
  start();
  const std::string place = directory();
  BareClient caller = client();
  BareClient waiter = client();
  const core::Seq get = waiter.post(waiter.create("queue"), "get", arguments());
  ASSERT_TRUE(eventually([&] { return server->core().number_parked() == 1; }));
  EXPECT_EQ(caller.call(kManagerObject, "shutdown").code, core::ErrorCode::ok);
  EXPECT_TRUE(server->ended());
  server->run();  // nothing but the end
  caller.receive_kind(core::Envelope::bye);
  waiter.receive_kind(core::Envelope::bye);
  EXPECT_TRUE(is_closed(caller.entrance.control));
  EXPECT_TRUE(is_closed(waiter.entrance.control));
  EXPECT_FALSE(std::filesystem::exists(place));
  static_cast<void>(get);
}

TEST_F(Lifetime, EndsWhenTold) {
  start();
  std::thread loop([&] { server->run(); });
  server->stop();
  loop.join();
  EXPECT_TRUE(server->ended());

  start();
  const shm::UniqueFd sign(::eventfd(0, EFD_CLOEXEC));
  server->end_with(sign.get());
  std::thread second([&] { server->run(); });
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(sign.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  second.join();
}

// Whoever reads nothing does not keep the server from ending.
TEST_F(Lifetime, AnUnreadFarewellDoesNotHoldItUp) {
  start();
  BareClient slow = client();
  const core::ObjectId list = slow.create("list");
  slow.get(list, "append", Value(std::string(1U << 20U, 'x')));
  for (int i = 0; i < 40; ++i) {
    slow.post(list, "copy", arguments());
    step();
  }
  server->stop();
  server->run();
  EXPECT_TRUE(server->ended());
}

}  // namespace
}  // namespace steward::detail::test
