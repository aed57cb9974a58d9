#include <steward/manager/server/listener_zap.hpp>

#include <chrono>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include <zmq_addon.hpp>

#include <steward/core/auth.hpp>
#include <steward/core/signals_blocked.hpp>
#include <steward/manager/server/listener_router.hpp>

namespace steward::server {
namespace {

constexpr const char* kQuestions = "inproc://zeromq.zap.01";
constexpr const char* kEnd = "inproc://steward-zap-end";
constexpr std::string_view kVersion = "1.0";
// Version, request id, domain, address, routing id, mechanism, the client's key.
constexpr std::size_t kQuestionFrames = 7;

bool may_enter(const std::vector<zmq::message_t>& question,
               const std::array<std::uint8_t, 32>& client) {
  const std::string_view expected(reinterpret_cast<const char*>(client.data()), client.size());
  return question.size() == kQuestionFrames && question[0].to_string_view() == kVersion &&
         question[2].to_string_view() == Router::kDomain &&
         question[5].to_string_view() == "CURVE" &&
         core::equal_secrets(question[6].to_string_view(), expected);
}

void answer(zmq::socket_t& socket, const std::vector<zmq::message_t>& question, bool yes) {
  const std::string_view id = question.size() > 1 ? question[1].to_string_view() : "";
  const std::string_view words[] = {kVersion, id, yes ? "200" : "400",
                                    yes ? "OK" : "this key may not enter", "", ""};
  for (const std::string_view& word : words) {
    const bool last = &word == std::end(words) - 1;
    socket.send(zmq::buffer(word), last ? zmq::send_flags::none : zmq::send_flags::sndmore);
  }
}

// Until a word comes through `end`.
void serve(zmq::socket_t questions, zmq::socket_t end, const std::array<std::uint8_t, 32>& client) {
  std::vector<zmq::pollitem_t> items{{questions.handle(), 0, ZMQ_POLLIN, 0},
                                     {end.handle(), 0, ZMQ_POLLIN, 0}};
  for (;;) {
    zmq::poll(items, std::chrono::milliseconds(-1));
    if ((items[1].revents & ZMQ_POLLIN) != 0) return;
    std::vector<zmq::message_t> question;
    if (!zmq::recv_multipart(questions, std::back_inserter(question))) continue;
    answer(questions, question, may_enter(question, client));
  }
}

}  // namespace

ZapGate::ZapGate(zmq::context_t& context, const std::array<std::uint8_t, 32>& client)
    : end_(context, zmq::socket_type::pair) {
  zmq::socket_t questions(context, zmq::socket_type::rep);
  zmq::socket_t end(context, zmq::socket_type::pair);
  for (zmq::socket_t* socket : {&questions, &end, &end_}) socket->set(zmq::sockopt::linger, 0);
  questions.bind(kQuestions);
  end_.bind(kEnd);
  end.connect(kEnd);
  const core::SignalsBlocked scope;
  thread_ = std::thread([client, questions = std::move(questions), end = std::move(end)]() mutable {
    serve(std::move(questions), std::move(end), client);
  });
}

void ZapGate::stop() {
  if (!thread_.joinable()) return;
  end_.send(zmq::str_buffer("end"), zmq::send_flags::none);
  thread_.join();
  end_.close();
}

}  // namespace steward::server
