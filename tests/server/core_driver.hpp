// Drives a Core with bytes and a clock of its own, as a server would, and reads its answers.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <steward/core/codec.hpp>
#include <steward/manager/server/core.hpp>
#include <steward/manager/server/input_log.hpp>

namespace steward::detail::test {

// Reads handles as plain tokens.
class TokenHandleCodec final : public core::HandleCodec {
 public:
  core::Token outgoing(const core::Reference& reference) override { return reference.token(); }
  core::ReferencePtr incoming(core::Token token) override {
    return std::make_shared<const core::Reference>(std::move(token));
  }
};

struct Answer {
  core::ErrorCode code = core::ErrorCode::ok;
  Value result;
  std::string text;
};

template <class... T>
std::string arguments(const T&... values) {
  std::string bytes;
  core::Writer(bytes).array(sizeof...(T));
  (core::pack(bytes, values), ...);
  return bytes;
}

inline server::Identity identity_of_test(std::uint8_t seed = 1) {
  server::Identity identity;
  identity.incarnation.bytes[0] = 7;
  identity.addresses = {"ipc:///test"};
  identity.started_unix_ms = 1000;
  identity.seed.bytes.fill(seed);
  return identity;
}

class CoreDriver {
 public:
  explicit CoreDriver(const server::Registry& registry, core::Limits limits = {},
                      std::uint8_t seed = 1)
      : core(identity_of_test(seed), registry, limits) {}

  // A client: its session and the number of its next call.
  struct Client {
    core::SessionId session;
    core::Seq next_seq = 1;
    core::Seq first_incomplete = 1;
    core::ThreadNumber thread = 1;
  };

  Client open() {
    Client client;
    client.session.bytes[15] = ++opened_;
    apply(server::input::SessionOpened{client.session, "secret"});
    return client;
  }

  void end(const Client& client, server::Ending ending = server::Ending::died) {
    apply(server::input::SessionEnded{client.session, ending});
  }

  // Sends a call and returns its number; the answer, if there is one, is in answers().
  core::Seq send(Client& client, core::ObjectId object, std::string_view method,
                 const std::string& args, std::optional<std::uint64_t> wait_ms = {},
                 bool post = false) {
    const core::Seq seq = client.next_seq++;
    request(client, frame(client, seq, object, method, args, wait_ms, post));
    return seq;
  }

  // Sends a call that is answered at once.
  Answer call(Client& client, core::ObjectId object, std::string_view method,
              const std::string& args) {
    const core::Seq seq = send(client, object, method, args);
    return answer(client, seq);
  }

  core::ObjectId create(Client& client, std::string_view type, const std::string& init,
                        const Value& name = {}) {
    std::string args;
    core::Writer writer(args);
    writer.array(3);
    writer.string(type);
    core::pack(args, name);
    writer.raw(init);
    const Answer made = call(client, core::kManagerObject, "create", args);
    if (made.code != core::ErrorCode::ok) core::throw_error(made.code, made.text);
    return made.result.reference()->token().object;
  }

  std::string frame(const Client& client, core::Seq seq, core::ObjectId object,
                    std::string_view method, const std::string& args,
                    std::optional<std::uint64_t> wait_ms = {}, bool post = false) {
    std::string call;
    core::append_call(call, {seq, client.thread, wait_ms, object, method, args, post});
    return core::encode_calls(client.first_incomplete, {call});
  }

  void request(const Client& client, const std::string& bytes) {
    const server::input::Request input{client.session, bytes};
    server::Outputs outputs;
    if (!core.answer(input, now, outputs)) return apply(input);
    take(outputs);
  }

  void acknowledge(const Client& client, core::Seq seq) {
    request(client, core::encode_seqs(core::Envelope::ack, {seq}));
  }
  void cancel(const Client& client, core::Seq seq) {
    request(client, core::encode_seqs(core::Envelope::cancel, {seq}));
  }

  void apply(const server::Input& input) {
    server::Outputs outputs;
    if (logged) {
      const std::string bytes = server::encode_input(input, now);
      const server::LoggedInput read = server::decode_input(bytes);
      core.apply(read.input, read.now, outputs);
    } else {
      core.apply(input, now, outputs);
    }
    take(outputs);
  }

  // In the place of the core comes one that is made of its saved state.
  void reload(const server::Registry& registry, std::uint8_t seed) {
    const std::string saved = core.save();
    std::destroy_at(&core);
    std::construct_at(&core, identity_of_test(seed), registry, std::string_view(saved));
  }
  // Inputs go through the log first.
  bool logged = false;

  void pass(std::chrono::milliseconds time) {
    now += time;
    apply(server::input::Tick{});
  }

  bool answered(const Client& client, core::Seq seq) const {
    const auto found = answers_.find(client.session);
    return found != answers_.end() && found->second.contains(seq);
  }

  // The answer, taken out; a call without one gives an error text that says so.
  Answer answer(const Client& client, core::Seq seq) {
    auto& mine = answers_[client.session];
    const auto found = mine.find(seq);
    if (found == mine.end()) return {core::ErrorCode::bad_call, {}, "no answer"};
    Answer answer = std::move(found->second);
    mine.erase(found);
    return answer;
  }

  server::Core core;
  core::Time now{};
  bool shutdown = false;
  std::vector<core::SessionId> violations;
  // What the core wants done outside, since a test has taken it.
  std::vector<server::Work> work;
  // Every work and reply as it left the core, in order.
  std::vector<std::string> transcript;
  std::size_t successes = 0;

 private:
  static std::string written(const server::Work& work) {
    std::string bytes;
    core::Writer writer(bytes);
    writer.natural(static_cast<std::uint64_t>(work.kind));
    writer.natural(core::number(work.object));
    writer.natural(static_cast<std::uint64_t>(work.park));
    writer.natural(work.number);
    writer.boolean(work.closed);
    for (const server::RingItem& item : work.items) {
      writer.natural(item.number);
      writer.boolean(item.redelivered);
      writer.bytes(item.bytes);
    }
    return bytes;
  }

  void take(const server::Outputs& outputs) {
    TokenHandleCodec codec;
    shutdown = shutdown || outputs.shutdown;
    violations.insert(violations.end(), outputs.violations.begin(), outputs.violations.end());
    for (const server::Work& one : outputs.work) {
      work.push_back(one);
      transcript.push_back(written(one));
    }
    for (const auto& output : outputs.replies) {
      transcript.push_back(*output.bytes);
      const std::string envelope = core::encode_replies({*output.bytes});
      const core::Reply reply = core::decode_replies(core::open_envelope(envelope)).at(0);
      Answer answer{reply.code, {}, {}};
      if (reply.code == core::ErrorCode::ok) {
        answer.result = core::decode_value(reply.payload, codec);
        ++successes;
      } else {
        answer.text = core::decode_error(reply.payload).text;
      }
      answers_[output.session][reply.seq] = std::move(answer);
    }
  }

  std::uint8_t opened_ = 0;
  std::map<core::SessionId, std::map<core::Seq, Answer>> answers_;
};

}  // namespace steward::detail::test
