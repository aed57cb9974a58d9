// Whose turn it is in the loop, and who has had too much: frame by frame, by the test's clock.
#include <algorithm>

#include <steward/tests/server/loop/scripted.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

class Turns : public ScriptedTest {
 protected:
  // Of a session, in one frame.
  static void send_many(BareClient& client, int count, core::ObjectId object,
                        std::string_view method) {
    std::vector<std::string> calls(static_cast<std::size_t>(count));
    const std::string none = arguments();
    for (std::string& bytes : calls) {
      core::append_call(bytes, {client.next_seq++, 1, std::nullopt, object, method, none, false});
    }
    client.send(core::encode_calls(1, {calls.begin(), calls.end()}));
  }
  // Nobody reads any more, and one reply is as much as may wait.
  void stop_reading() {
    script.send = [](const std::string&) { return server::Sent::would_block; };
  }
  static core::Limits narrow() {
    core::Limits limits;
    limits.unsent_bytes = 1;
    return limits;
  }
};

TEST_F(Turns, RepliesLeaveAfterEachCallThatIsLongByItself) {
  start();
  std::vector<BareClient> clients;
  for (int i = 0; i < 24; ++i) clients.push_back(connect("client " + std::to_string(i)));
  const core::ObjectId list = clients[0].create("list", "x");
  for (BareClient& each : clients) each.create("list", "x");
  rest();
  // So much comes that a pass takes in all of these.
  for (int i = 0; i < 62; ++i) clients[0].send(core::encode_renew());
  for (BareClient& each : clients) each.post(list, "size", arguments());
  while (script.arrivals.size() > clients.size()) step();
  script.received = [this](server::Arrival&) {
    if (script.arrivals.empty()) tick = 10ms;  // from now on: more than a pass may take
  };
  std::vector<std::string> order;
  step();
  ASSERT_TRUE(script.arrivals.empty());
  for (int pass = 0; pass < 40 && order.size() < clients.size(); ++pass) {
    EXPECT_LE(script.sent.size(), 2U) << "one that has come, and one that has waited";
    for (const auto& [route, frame] : std::exchange(script.sent, {})) order.push_back(route);
    step();
  }
  std::ranges::sort(order);
  EXPECT_EQ(std::ranges::unique(order).begin(), order.end());
  EXPECT_EQ(order.size(), clients.size());
}

TEST_F(Turns, TheMemoryOfALargeFrameIsGoneWhenItWasServed) {
  start();
  BareClient client = connect("client");
  const core::ObjectId list = client.create("list");
  rest();
  const server::Arrival* place = nullptr;
  script.received = [&](server::Arrival& arrival) { place = &arrival; };
  client.post(list, "append", arguments(std::string(1U << 20U, 'x')));
  step();
  ASSERT_NE(place, nullptr);
  EXPECT_LE(place->frame.capacity(), 64U << 10U);
}

TEST_F(Turns, WhoDoesNotReadIsNotClosedForWhatOthersHave) {
  start(narrow());
  std::vector<BareClient> large;
  for (int i = 0; i < 5; ++i) large.push_back(connect("large " + std::to_string(i)));
  BareClient small = connect("small");
  const core::ObjectId list = small.create("list", "x");
  for (BareClient& each : large) each.create("list", "x");
  rest();
  stop_reading();
  small.post(list, "size", arguments());
  for (BareClient& each : large) each.post(list, "size", arguments());
  rest();
  const std::string much(60U << 20U, 'x');
  for (BareClient& each : large) each.send(much);
  rest();
  EXPECT_EQ(server->incidents().slow, 0U);
  small.send(core::encode_renew());
  rest();
  EXPECT_EQ(server->incidents().slow, 0U);
  large[0].send(core::encode_renew());
  rest();
  EXPECT_EQ(server->incidents().slow, 1U) << "it has more than its share";
}

TEST_F(Turns, WhoDoesNotReadIsNotClosedForOneMessageInManyParts) {
  start(narrow());
  BareClient client = connect("client");
  const core::ObjectId list = client.create("list");
  rest();
  tick = 2ms;  // calls take so long that each is a part of its own
  for (int i = 0; i < 10; ++i) {
    client.post(list, "size", arguments());
    step();
  }
  stop_reading();
  send_many(client, 5'000, list, "size");
  step();
  client.send(core::encode_renew());
  step();
  EXPECT_EQ(server->incidents().slow, 0U);
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
}

TEST_F(Turns, WhoHasReadIsServedThoughNothingElseHappens) {
  script.wakes = false;
  start(narrow());
  BareClient client = connect("client");
  const core::ObjectId list = client.create("list");
  rest();
  script.sent.clear();
  stop_reading();
  for (int i = 0; i < 2; ++i) {
    client.post(list, "size", arguments());
    rest();
  }
  script.send = [](const std::string&) { return server::Sent::sent; };
  time += 1s;
  step();
  ASSERT_EQ(script.sent.size(), 1U);
  const auto before = std::chrono::steady_clock::now();
  server->step(10s);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s) << "it slept";
  EXPECT_EQ(script.sent.size(), 2U);
}

}  // namespace
}  // namespace steward::detail::test
