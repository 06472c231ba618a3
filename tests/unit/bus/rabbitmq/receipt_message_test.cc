#include "host/bus/rabbitmq/receipt_message.h"

#include <gtest/gtest.h>

namespace outboard::bus::rabbitmq {
namespace {

using dialect::Field;
using dialect::Message;

TEST(ReceiptMessageTest, AnAddressIsReadAsItWasWritten) {
  Message message;
  EXPECT_FALSE(ReadReceiptAddress(message));
  PutReceiptAddress({"outboard.tracker.receipts.r.1", 9}, &message);
  EXPECT_EQ(ReadReceiptAddress(message), (ReceiptAddress{"outboard.tracker.receipts.r.1", 9}));
}

TEST(ReceiptMessageTest, AnAddressThatIsNoneIsNotRead) {
  for (const ReceiptAddress& address :
       {ReceiptAddress{"", 9}, ReceiptAddress{std::string(256, 'q'), 9}}) {
    Message message;
    PutReceiptAddress(address, &message);
    EXPECT_FALSE(ReadReceiptAddress(message)) << address.queue.size();
  }
  Message message;
  message.properties.headers = {{"x-outboard-receipt-to", Field::Text("q")},
                                {"x-outboard-receipt", Field::Text("nine")}};
  EXPECT_FALSE(ReadReceiptAddress(message));
}

TEST(ReceiptMessageTest, AReceiptIsReadAsItWasWritten) {
  const Placed placed[] = {{Offset(int64_t{-1}), Time(Duration(1'700'000'000'000'001))},
                           {Offset(0.1), std::nullopt},
                           {Offset(std::string("p/3")), std::nullopt},
                           {Offset(Bytes{std::string("\0\xff", 2)}), std::nullopt},
                           {Offset(std::string()), std::nullopt},
                           {}};
  for (const Placed& where : placed) {
    for (const End end : {End::kDone, End::kDropped, End::kDead}) {
      const Receipt receipt{"all/x", end, where, end == End::kDead ? "DEADLINE" : ""};
      const Message message = ToMessage(receipt, {"q", 17});
      EXPECT_EQ(message.exchange, "");
      EXPECT_EQ(message.routing_key, "q");
      const auto read = ReadReceipt(message);
      ASSERT_TRUE(read);
      EXPECT_EQ(read->first, 17);
      EXPECT_EQ(read->second, receipt);
    }
  }
}

TEST(ReceiptMessageTest, OtherMessagesAreNoReceipts) {
  EXPECT_FALSE(ReadReceipt(Message()));
  Message message = ToMessage({"all/x", End::kDone, {}, ""}, {"q", 17});
  for (auto& [name, field] : message.properties.headers) {
    if (name == "end") field = Field::Text("almost");
  }
  EXPECT_FALSE(ReadReceipt(message));
}

}  // namespace
}  // namespace outboard::bus::rabbitmq
